"""The public names and where they live: read by type checkers, and by `vade_tf/__init__.py`."""

from . import plot as plot
from .errors import DivergedError as DivergedError
from .errors import InputError as InputError
from .estimator import VaDEClusterer as VaDEClusterer
from .model.likelihood import Likelihood as Likelihood
from .model.likelihood import register as register
from .model.networks import FusedAdam as FusedAdam
from .model.networks import build_decoder as build_decoder
from .model.networks import build_encoder as build_encoder
from .model.prior import GaussianMixturePrior as GaussianMixturePrior
from .model.vade import VaDE as VaDE
from .plot import write_report as write_report
from .runs.config import TrainConfig as TrainConfig
from .runs.folder import load as load
from .runs.folder import load_schema as load_schema
from .runs.train import resume as resume
from .runs.train import train as train
from .serving.client import Served as Served
from .serving.export import export as export
from .training.autoencoder import pretrain as pretrain
from .training.fitting import Fitted as Fitted
from .training.fitting import Fitting as Fitting
from .training.fitting import begin as begin
from .training.guidance import guide as guide
from .training.recipe import fit as fit
from .training.recipe import start as start
from .training.reporter import Lines as Lines
from .training.settings import Settings as Settings
from .training.store import Memory as Memory
from .training.store import Store as Store

__version__: str
