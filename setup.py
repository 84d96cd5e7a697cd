"""Build from settings.ini: the metadata, the `nbdev` entry point, the console command, and the experiment notebooks as package data."""
import shutil
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
config = ConfigParser(delimiters=["="])
config.read(HERE / "settings.ini", encoding="utf-8")
cfg = config["DEFAULT"]

# installed packages have no nbs/ folder: the templates that papermill runs, and the results that they read, travel inside the wheel
TEMPLATES = HERE / "nbs" / "experiments"
RESULTS = HERE / "nbs" / "results"


class BuildWithTemplates(build_py):
    def run(self):
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / cfg["lib_name"] / "experiments"
        target.mkdir(parents=True, exist_ok=True)
        for notebook in sorted(TEMPLATES.glob("*.ipynb")):
            if notebook.stem != "index":
                shutil.copy(notebook, target / notebook.name)
        results = Path(self.build_lib) / cfg["lib_name"] / "results"
        results.mkdir(parents=True, exist_ok=True)
        for table in sorted([*RESULTS.glob("*.csv"), *RESULTS.glob("*.npz")]):
            shutil.copy(table, results / table.name)


setup(
    name=cfg["lib_name"],
    version=cfg["version"],
    description=cfg["description"],
    long_description=(HERE / "README.md").read_text(encoding="utf-8") if (HERE / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    author=cfg["author"],
    author_email=cfg["author_email"],
    url=cfg["git_url"],
    license="Apache-2.0",
    keywords=cfg["keywords"],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    python_requires=">=" + cfg["min_python"],
    packages=find_packages(include=[cfg["lib_name"], cfg["lib_name"] + ".*"]),
    package_data={cfg["lib_name"]: ["published/*.csv", "published/*.md", "experiments/*.ipynb", "results/*.csv", "results/*.npz"]},
    install_requires=cfg["requirements"].split(),
    extras_require={"dev": cfg["dev_requirements"].split(), "parquet": cfg["parquet_requirements"].split(), "peers": cfg["peers_requirements"].split()},
    entry_points={
        "console_scripts": ["ce-sce-rec=ce_sce_rec.cli:main"],
        "nbdev": [f"{cfg['lib_name']}={cfg['lib_name']}._modidx:d"],
    },
    cmdclass={"build_py": BuildWithTemplates},
    zip_safe=False,
)
