"""What holds for every test: the fixtures that run servers, and how hard hypothesis tries.

`pytest --hypothesis-profile=nightly` searches longer than the default profile, `ci`.
"""

from hypothesis import HealthCheck, settings

pytest_plugins = ["fix_postgres", "fix_pipeline", "fix_s3", "fix_redshift"]

settings.register_profile(
    "ci",
    # Machines that run several workers are slow at times; the suite's own timeout bounds a test that hangs.
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.register_profile("nightly", settings.get_profile("ci"), max_examples=5_000)
settings.load_profile("ci")
