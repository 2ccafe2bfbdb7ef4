"""The text of the trust statement."""

from latentlab.cli.texts.trust import trust_text
from latentlab.clustering.structure import Separation
from latentlab.clustering.trust import Measures, NumberSupport, Repetition
from latentlab.clustering.trust_report import TrustReport
from latentlab.clustering.trust_rule import Grade, Verdict, judge


def measures_with(excess=0.8, agreement=0.9, gain=0.2, pixels=0.1, familiarity=0.8):
    separation = Separation(
        neighbours=0.5 + excess / 2,
        neighbours_gaussian=(0.5,),
        neighbours_shuffled=(0.3,),
        silhouette=0.2,
        silhouette_gaussian=(0.05,),
        silhouette_shuffled=(0.01,),
    )
    return Measures(
        k=4,
        images=300,
        seeds=(agreement,),
        separation=separation,
        number=NumberSupport(k=4, best=6, gains={"4": gain, "6": 0.2}),
        repetition=Repetition(colours=0.1, edges=0.1, pixels=pixels),
        familiarity=familiarity,
    )


def test_each_measure_has_its_line_below_the_verdict():
    measures = measures_with()
    report = TrustReport(
        name="kmeans-k4", method="kmeans", features="l2", verdict=judge(measures), measures=measures
    )
    first, *others = trust_text(report).splitlines()
    assert first.startswith("kmeans-k4: These clusters can be trusted: ")
    starts = [line.split(":")[0].strip() for line in others[:-1]]
    assert starts == ["Seeds", "Separation", "Number", "Repetition", "Familiarity"]


def test_without_measures_there_is_the_verdict_alone():
    verdict = Verdict(Grade.DO_NOT_TRUST, ("all images are in one cluster",))
    report = TrustReport(name="a", method="kmeans", features="l2", verdict=verdict)
    assert trust_text(report) == "a: Do not trust these clusters: all images are in one cluster."


def test_the_rule_goes_by_its_bounds():
    assert judge(measures_with()).grade == Grade.TRUST
    for careful in (
        measures_with(excess=0.4),
        measures_with(agreement=0.5),
        measures_with(gain=0.12),
        measures_with(pixels=0.6),
        measures_with(familiarity=0.3),
    ):
        assert judge(careful).grade == Grade.WITH_CARE
    for useless in (
        measures_with(excess=0.2),
        measures_with(agreement=0.2),
        measures_with(gain=0.05),
        measures_with(excess=0.4, pixels=0.6),
    ):
        verdict = judge(useless)
        assert verdict.grade == Grade.DO_NOT_TRUST
        assert verdict.reasons
