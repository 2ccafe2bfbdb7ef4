"""The main path: fit, embed, cluster, evaluate, project, report.

Each function is one stage. It reads files of the run folder, writes others, and is skipped if the
run folder says that it is done with the same settings. An unfinished stage goes on where it
stopped. The modules follow the path:

    fitting       images to an encoder     fit, use_ready_made, at_epoch, sweep
    pretrained    encoders from elsewhere  use_encoder
    importing     vectors to a run         import_vectors; predict_vectors
    embedding     images to vectors        embed
    encoder_choice  which encoder          choose_encoder
    clustering    codes to clusters        cluster, cluster_seeds; choose_k; predict
    trusting      how far to trust them    trust_of
    hierarchy     clusters to fewer        tree, cut
    naming        looks of images          take_looks
    searching     words and images         search, suggest
    scoring       clusters to scores       evaluate; score_by_k, probe, audit: these read labels
    showing       scores to pictures       project, decode, report; figures, viewer, export, share;
                                           look
    checking      several runs             compare, verify, accept
    moving        pictures that moved      look_in
    updating      pictures that changed    update
    run_data      what all of them share
"""

from latentlab.pipeline.checking import accept, compare, verify
from latentlab.pipeline.clustering import (
    choose_k,
    cluster,
    cluster_seeds,
    cluster_vectors,
    predict,
    prototypes_of,
    resolve,
)
from latentlab.pipeline.embedding import MAP_SAMPLE, embed
from latentlab.pipeline.encoder_choice import choose_encoder
from latentlab.pipeline.fitting import at_epoch, fit, sweep, use_ready_made, with_weights
from latentlab.pipeline.hierarchy import cut, cut_note, tree
from latentlab.pipeline.importing import (
    ImportReport,
    import_report,
    import_vectors,
    predict_vectors,
)
from latentlab.pipeline.moving import look_in
from latentlab.pipeline.naming import take_looks
from latentlab.pipeline.pretrained import default_encoder, use_encoder
from latentlab.pipeline.run_data import (
    open_run_images,
    open_shown_images,
    open_small_images,
    run_image_shape,
)
from latentlab.pipeline.scoring import audit, evaluate, probe, score_by_k, why_unlabelled
from latentlab.pipeline.searching import FoundImage, SuggestedNames, search, suggest
from latentlab.pipeline.showing import (
    decode,
    export,
    figures,
    look,
    project,
    report,
    share,
    viewer,
)
from latentlab.pipeline.trusting import trust_of
from latentlab.pipeline.updating import UpdateReport, update

__all__ = [
    "fit",
    "use_ready_made",
    "use_encoder",
    "import_vectors",
    "import_report",
    "ImportReport",
    "default_encoder",
    "at_epoch",
    "with_weights",
    "embed",
    "sweep",
    "cluster",
    "cluster_seeds",
    "cluster_vectors",
    "resolve",
    "predict",
    "predict_vectors",
    "choose_k",
    "choose_encoder",
    "trust_of",
    "tree",
    "cut",
    "cut_note",
    "take_looks",
    "search",
    "suggest",
    "FoundImage",
    "SuggestedNames",
    "update",
    "UpdateReport",
    "look_in",
    "evaluate",
    "score_by_k",
    "probe",
    "why_unlabelled",
    "audit",
    "project",
    "prototypes_of",
    "decode",
    "report",
    "figures",
    "viewer",
    "export",
    "share",
    "look",
    "MAP_SAMPLE",
    "compare",
    "verify",
    "accept",
    "open_run_images",
    "open_shown_images",
    "open_small_images",
    "run_image_shape",
]
