"""Which devices train together: a `tf.distribute.Strategy` from the setting `distribute` and the environment.

`multiworker` reads the cluster from where the launcher left it, in this order: TF_CONFIG, the variables of a Slurm
step, those of an Indexed Job of Kubernetes. TensorFlow lets a process join a cluster only before it has used a device.
"""

import functools
import json
import os
import re
import time

import tensorflow as tf

from vade_tf.errors import ClusterError, InputError, cited

TASKS = ("chief", "worker")  # types of task that train; of the others of TF_CONFIG there is nothing to do here
PORT = 8888  # the only one under Kubernetes; under Slurm the first one of a machine follows from the number of the job
PORTS, JOBS = 64, 300  # of a job on a machine; jobs of consecutive numbers that have others
DEALT = ("cyclic", "plane", "arbitrary")  # ways in which Slurm does not fill one machine after the other
OWN_GPUS = {
    f"SLURM_{name}" for name in ("GPUS_PER_TASK", "TRES_PER_TASK", "NTASKS_PER_GPU", "GPU_BIND")
}  # a task's own
PODS_SECONDS, POLL_SECONDS = 600.0, 2.0  # until all pods of a job run, and between two looks


@functools.cache
def strategy(name: str) -> tf.distribute.Strategy | None:
    """The strategy of a setting `distribute`, one a process; None for "none".

    Args:
        name: "none"; "mirrored", all devices of this machine: its GPUs, or its CPUs where there is none;
            "multiworker", those of every machine of the cluster that the environment names. It waits for the others.

    Raises:
        InputError: there is no cluster, what the environment says of one is malformed, or TensorFlow was used before.
        ClusterError: the other workers cannot be reached.
    """
    if name == "none":
        return None
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    found = cluster()
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(found)
    except RuntimeError as error:
        if "program startup" not in str(error):
            raise
        raise InputError(
            "distribute: multiworker joins its cluster before TensorFlow uses a device, and it was used already; call "
            "vade_tf.training.cluster.strategy('multiworker') right after the imports"
        ) from error
    except tf.errors.OpError as error:
        if "Could not start gRPC server" in str(error):
            own = found.cluster_spec().task_address(found.task_type, found.task_id)
            raise InputError(
                f"distribute: {own} is not free on this machine ({cited(error)}); end what listens there, or set "
                "TF_CONFIG with another port"
            ) from error
        raise ClusterError(f"distribute: the workers do not find each other ({cited(error)})") from error


def cluster() -> tf.distribute.cluster_resolver.ClusterResolver:
    """The cluster that the environment names, and the place of this process in it.

    Raises:
        InputError: it names none, or what it says is malformed.
    """
    if os.environ.get("TF_CONFIG"):
        workers, kind, index = of_tf_config(os.environ["TF_CONFIG"])
    elif "SLURM_STEP_NODELIST" in os.environ:
        workers, kind, index = of_slurm()
    elif "KUBERNETES_SERVICE_HOST" in os.environ and "JOB_COMPLETION_INDEX" in os.environ:
        workers, kind, index = of_kubernetes()
    else:
        raise InputError(
            "distribute: multiworker needs TF_CONFIG, a Slurm step (srun) or an Indexed Job of Kubernetes, and the "
            "environment has none; set TF_CONFIG on every machine, or use distribute='mirrored' for one"
        )
    return tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(workers),
        task_type=kind,
        task_id=index,
        num_accelerators={"GPU": len(tf.config.get_visible_devices("GPU"))},
        rpc_layer="grpc",
    )


def of_tf_config(text: str) -> tuple[dict[str, list[str]], str, int]:
    """Addresses by type of task, and type and number of this task, as TF_CONFIG says them; other types are left out.

    Raises:
        InputError: it is malformed.
    """
    form = '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'

    def malformed(why: str) -> InputError:
        return InputError(f"distribute: TF_CONFIG is malformed, {why}; expected {form}")

    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise malformed(f"no JSON ({cited(error)})") from error
    told, task = (found.get(part) if isinstance(found, dict) else None for part in ("cluster", "task"))
    if not isinstance(told, dict) or not isinstance(task, dict):
        raise malformed("cluster or task is missing")
    workers = {kind: told[kind] for kind in TASKS if kind in told}
    for kind, hosts in workers.items():
        if not isinstance(hosts, list) or not hosts or not all(_is_address(host) for host in hosts):
            raise malformed(f"{kind} is no list of host:port")
    kind, index = str(task.get("type")), task.get("index")
    if kind not in workers:
        raise malformed(f"task.type is {kind!r}, which is none of {', '.join(workers) or 'the cluster'}")
    if type(index) is not int or not 0 <= index < len(workers[kind]):
        raise malformed(f"task.index is {index!r}, of {len(workers[kind])}")
    return workers, kind, index


def _is_address(host) -> bool:
    name, _, port = host.rpartition(":") if isinstance(host, str) else ("", "", "")
    return bool(name) and re.fullmatch("[0-9]{1,5}", port) is not None and 0 < int(port) < 65_536


def of_slurm() -> tuple[dict[str, list[str]], str, int]:
    """The same of a Slurm step: a worker a task, in the order of its list.

    Its ports follow from the number of the job, so that another job on the machine has others.

    Raises:
        InputError: variables of the step are missing or cannot be read, its tasks do not follow its machines, or
            several of one machine see all of its GPUs.
    """
    try:
        base = PORT + PORTS * (int(os.environ.get("SLURM_JOB_ID", 0)) % JOBS)
        step = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=base,
            gpus_per_node=int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)),  # only bounds the ports of a machine here
            gpus_per_task=1,
            auto_set_gpu=False,
        )
        tasks = dict(step._task_configuration)  # of each machine as Slurm lists them; `cluster_spec` sorts them by name
        index = int(os.environ["SLURM_PROCID"])
        hosts = [f"{host}:{base + number}" for host, several in tasks.items() for number in range(several)]
        told = hosts[index].rpartition(":")[0]
    except (RuntimeError, ValueError, AssertionError, IndexError, KeyError) as error:
        raise InputError(
            f"distribute: the variables of the Slurm step cannot be used ({cited(error)}); start the workers by srun"
        ) from error
    here, several = os.environ.get("SLURMD_NODENAME"), len(tasks) > 1 and max(tasks.values()) > 1
    if here not in (None, told) or (several and os.environ.get("SLURM_DISTRIBUTION", "block").startswith(DEALT)):
        raise InputError(
            f"distribute: expected the tasks of a machine one after the other, number {index} on {told}, got it on "
            f"{here}; start them by srun --distribution=block, or set TF_CONFIG"
        )
    gpus = len(tf.config.get_visible_devices("GPU"))
    if gpus > 1 and tasks[told] > 1 and OWN_GPUS.isdisjoint(os.environ):
        raise InputError(
            f"distribute: expected GPUs of its own for each of {tasks[told]} tasks on {told}, got {gpus} that all of "
            "them see; ask for them by --gpus-per-task"
        )
    return {"worker": hosts}, "worker", index


def of_kubernetes() -> tuple[dict[str, list[str]], str, int]:
    """The same of an Indexed Job of Kubernetes whose pods are in the network of their machines, once all of them run.

    Raises:
        InputError: the package or a variable is missing, or the pods do not run in time.
    """
    needed = ("JOB_NAME", "JOB_COMPLETIONS")
    if missing := [name for name in needed if name not in os.environ]:
        raise InputError(
            f"distribute: a Job of Kubernetes needs {' and '.join(missing)} in the environment of its pods; set "
            "them in its manifest, or set TF_CONFIG"
        )
    try:
        from kubernetes import client, config
    except ImportError as error:
        raise InputError(
            "distribute: the pods of a Job are listed by the package kubernetes, which is not installed; pip install "
            "kubernetes, or set TF_CONFIG"
        ) from error

    class Living:
        """Lists the pods of a job that have not ended: a lost one stays listed beside the one in its place."""

        def list_pod_for_all_namespaces(self, **more):
            living = "status.phase!=Failed,status.phase!=Succeeded"
            return client.CoreV1Api().list_pod_for_all_namespaces(field_selector=living, **more)

    try:
        config.load_incluster_config()
        name, number = os.environ["JOB_NAME"], int(os.environ["JOB_COMPLETIONS"])
        index = int(os.environ["JOB_COMPLETION_INDEX"])
    except (config.ConfigException, ValueError) as error:
        raise InputError(
            f"distribute: the Job of Kubernetes cannot be read ({cited(error)}); give its pods a service account and "
            "numbers in their environment, or set TF_CONFIG"
        ) from error
    pods = tf.distribute.cluster_resolver.KubernetesClusterResolver(
        {"worker": [f"job-name={name}"]}, tf_server_port=PORT, override_client=Living()
    )
    workers: dict[str, list[str]] = {}
    why, until = "", time.monotonic() + PODS_SECONDS
    while len(workers.get("worker", ())) != number:
        if time.monotonic() > until:
            raise InputError(f"distribute: expected {number} running pods of the Job {name}, {why}; look at its pods")
        time.sleep(POLL_SECONDS if why else 0.0)
        try:
            workers = pods.cluster_spec().as_dict()
            why = f"got {len(workers.get('worker', ()))}"
        except RuntimeError as error:  # a pod is still starting
            why = f"but {cited(error)}"
        except client.ApiException as error:
            raise InputError(
                f"distribute: the pods of the Job {name} cannot be listed ({cited(error)}); let its service account "
                "list pods, or set TF_CONFIG"
            ) from error
    # pods are listed by the order of their names, NAME-INDEX-..., in which 10 comes before 2
    order = sorted(range(number), key=lambda index: f"{index}-")
    return workers, "worker", order.index(index)
