"""Settings for all tests."""

from hypothesis import settings

# A first call may import or compile for seconds on a busy machine; that says nothing about the code under test.
settings.register_profile("fourier_lab", deadline=None, max_examples=40)
settings.load_profile("fourier_lab")
