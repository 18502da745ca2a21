"""GPU-hours of a run on a stated GPU, and of a valuation on a stated job of a practitioner's size."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.types import Cost, JobSize, Question

FORWARD, DIFFERENTIATED = 2, 6
"""Operations a parameter and token: a multiply-add forward; and that with two more of its kind where examples are
differentiated, backward (for inputs and for weights) as in forward mode (along inputs and along weights). Kaplan et
al. (2020, sec. 2.1); attention's own products, which grow with the length, are left out."""


class ReferenceJob(BaseModel):
    """A job that a practitioner would recognise, for which a valuation's price is worked out.

    Args:
        model: in words.
        parameters: of the model, all of them trained.
        tokens: an example; patches of an image.
        features: width of the model's penultimate features.
        contributors, examples_each: whose data are valued; validation: held-out examples.
        steps, batch_size: of one training run, whatever the coalition.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = "a language model"
    parameters: float = Field(default=1e9, gt=0)
    tokens: float = Field(default=256, gt=0)
    features: int = Field(default=2_048, gt=0)
    contributors: int = Field(default=24, ge=2)
    examples_each: int = Field(default=4_000, gt=0)
    validation: int = Field(default=4_000, gt=0)
    steps: int = Field(default=2_250, gt=0)
    batch_size: int = Field(default=128, gt=0)

    @property
    def examples(self) -> int:
        """Of all contributors together."""
        return self.contributors * self.examples_each

    def size(self, question: Question) -> JobSize:
        """What a method's algebra grows with on this job."""
        return JobSize(
            question, self.contributors, self.examples, self.validation, round(self.parameters), self.features
        )

    def operations(self, cost: Cost, algebra: float) -> float:
        """Of a valuation that took so many passes and retrainings, and whose own algebra takes ``algebra`` here.

        A pass is one over all training examples; one over fewer, or over validation examples, is their share of them on
        this job.
        """
        token = self.parameters * self.tokens  # operations of an example, in parameters x tokens
        retraining = DIFFERENTIATED * self.steps * self.batch_size + FORWARD * self.validation
        passes = DIFFERENTIATED * cost.gradient_passes + FORWARD * cost.forward_passes
        return token * (cost.retrainings * retraining + passes * self.examples) + algebra

    @property
    def words(self) -> str:
        size = f"{self.parameters / 1e9:.3g} B" if self.parameters >= 1e9 else f"{self.parameters / 1e6:.3g} M"
        return (
            f"{self.model} of {size} parameters fine-tuned on {self.contributors} x {self.examples_each:,} examples of "
            f"{self.tokens:g} tokens, {self.steps:,} steps of {self.batch_size}"
        )


TEXT = ReferenceJob()
"""Three epochs of everyone's examples for a language model of Llama 3.2 1B's size and width."""

IMAGES = ReferenceJob(model="a ViT-B/16", parameters=86e6, tokens=197, features=768)
"""Three epochs for a vision transformer of base size (Dosovitskiy et al. 2021, table 1): 196 patches and one token."""

DEFAULTS: Mapping[str, ReferenceJob] = {"image-classification": IMAGES}
"""By task; of all others ``TEXT``."""


class Projection(BaseModel):
    """The GPU that GPU-hours are projected for, and the jobs at whose scale they are worked out.

    Args:
        gpu: in words.
        peak_tflops, float32_tflops: of matrix products in bf16, and in single precision without TF32 (which is the
            A100's double precision too).
        utilisation: share of the peak that is reached.
        bandwidth_gb_s: of the device's memory.
        launch_us: from one kernel to the next, at least.
        price_per_gpu_hour: in ``currency``; None where no money is to be told.
        reference: by task, what is different from its default (``DEFAULTS``).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    gpu: str = "NVIDIA A100, 312 TFLOP/s bf16"
    peak_tflops: float = Field(default=312.0, gt=0)
    utilisation: float = Field(default=0.3, gt=0, le=1)
    float32_tflops: float = Field(default=19.5, gt=0)
    bandwidth_gb_s: float = Field(default=2_039.0, gt=0)
    launch_us: float = Field(default=5.0, gt=0)
    price_per_gpu_hour: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    currency: str = Field(default="USD", min_length=1, max_length=8, pattern=r"^[^\s\[\]\\]+$")
    reference: Mapping[str, ReferenceJob] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_defaults(cls, content: object) -> object:
        """A suite says of a reference job what is different."""
        if not isinstance(content, dict) or not isinstance(content.get("reference"), dict):
            return content
        jobs = {
            task: {**DEFAULTS.get(task, TEXT).model_dump(), **own} if isinstance(own, dict) else own
            for task, own in content["reference"].items()
        }
        return {**content, "reference": jobs}

    def hours(self, flops: float, bytes_moved: float = 0.0, launches: float = 0.0, precision: str = "bf16") -> float:
        """A run's own, if nothing but the slowest of the three counted: operations, memory or launches."""
        operations = flops / self._rate(self.float32_tflops if precision == "float32" else self.peak_tflops)
        memory = bytes_moved / (self.bandwidth_gb_s * 1e9)
        return max(operations, memory, launches * self.launch_us * 1e-6) / 3600

    @property
    def price(self) -> str:
        """Of an hour, in words; empty where none is told."""
        return "" if self.price_per_gpu_hour is None else f"{self.currency} {self.price_per_gpu_hour:g}"

    def job(self, task: str) -> ReferenceJob:
        return self.reference.get(task, DEFAULTS.get(task, TEXT))

    def reference_hours(self, task: str, cost: Cost, algebra: float) -> float:
        """Of a valuation on the task's reference job, all of it in bf16."""
        return self.job(task).operations(cost, algebra) / self._rate(self.peak_tflops) / 3600

    def _rate(self, tflops: float) -> float:
        """Operations a second."""
        return tflops * 1e12 * self.utilisation
