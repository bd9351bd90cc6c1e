"""What pyproject.toml cannot say: a file of the wheel that lies beside the package."""

import os

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithPth(build_py):
    """On Python 3.12 and later Theano-PyMC can be built from source once this file is in site-packages."""

    def run(self):
        super().run()
        if not getattr(self, "editable_mode", False):
            source = os.path.join("scripts", "theano_build.pth")
            self.copy_file(source, os.path.join(self.build_lib, "pymc3_vi_theano_build.pth"))


setup(cmdclass={"build_py": BuildWithPth})
