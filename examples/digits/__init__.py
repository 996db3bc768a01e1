"""A small ConvNet for scikit-learn's handwritten digits: what `gradlet compile` builds without arguments."""
