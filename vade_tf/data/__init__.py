"""Named data sets and own files -> `Dataset`; `Dataset` -> tf.data batches. Knows no model."""
