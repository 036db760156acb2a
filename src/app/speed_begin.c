/*
 * How the speed layer begins: is the topic still the one that was archived? Its life is named "<cluster>/<topic>/<n>"; other bytes at a witness, or an
 * end below the archive position, open the next one. Each process of the local broker is a life by itself.
 */
#include "speed_coordinator.h"

#include "store/term.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * What the store remembers of the job must be this one. Another analysis goes on, and its answers say so: only the batch layer changes what the store
 * remembers, and where it is part of this job, it does that with its next view.
 */
static int compare_job(const struct lam_engine *engine, struct lam_speed_begun *begun, const struct lam_state *state, bool tell, struct lam_error *err)
{
    struct lam_job_change change = {0};
    int rc;

    if (!state->job.identity)
        return 0;
    if ((rc = lam_job_compare(engine->job, lam_sv_of(state->job.identity), lam_sv_of(state->job.analysis), &change, err)))
        return LAM_PASS(err, rc, "the store %s belongs to another job", engine->job->store.path);
    begun->setup.other_analysis = change.analysis && !engine->roles.count[LAM_ROLE_BATCH];
    if (begun->setup.other_analysis && tell)
        lam_log_warn(&engine->log, "speed", "the analysis is not the store's (%s): the answers of this run are marked with \"other_analysis\"",
                     change.analysis_fields);
    return 0;
}

static int take_term(struct lam_engine *engine, struct lam_speed_begun *begun, struct lam_error *err)
{
    struct lam_term_options options = {.layers = 1u << LAM_TERM_SPEED, .take_over = engine->take_over_term};
    const struct lam_state *state;
    int rc;

    if ((rc = lam_commitlog_refresh(engine->commits, err)) || (rc = compare_job(engine, begun, lam_commitlog_peek(engine->commits), false, err)) ||
        (!begun->setup.run[0] && (rc = lam_random_id(begun->setup.run, err))) || (rc = lam_holder_self(&options.holder, engine->job->name, begun->setup.run, err)) ||
        (rc = lam_pulse_start(&begun->pulse, engine, begun->setup.run, "speed", err)) ||
        (rc = lam_term_take(engine->commits, &options, &begun->term, &state, err))) {
        lam_pulse_stop(begun->pulse); /* tried again, it is under the same id */
        begun->pulse = NULL;
        return rc;
    }
    rc = compare_job(engine, begun, state, true, err);
    lam_state_unref(state);
    return rc;
}

/* Does the topic hold, at every witness, the record that was archived last? */
static int same_topic(struct lam_engine *engine, struct lam_kafka *kafka, const struct lam_state_life *life, bool *same, struct lam_error *err)
{
    struct lam_kafka_witness *witnesses = calloc(life->partition_count + 1, sizeof *witnesses);
    size_t count = 0;
    int rc = witnesses ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "no memory for witnesses");

    *same = true;
    for (uint32_t i = 0; !rc && i < life->partition_count; i++) {
        const struct lam_archived *archived = &life->partitions[i];

        if (archived->partition >= lam_kafka_partitions(kafka))
            *same = false;
        else if (archived->has_witness)
            witnesses[count++] = (struct lam_kafka_witness){.partition = archived->partition, .offset = (int64_t)archived->witness.offset};
    }
    if (!rc && *same && count)
        rc = lam_kafka_witnesses(kafka, witnesses, count, err);
    for (size_t i = 0; !rc && *same && i < count; i++) {
        const struct lam_archived *archived = NULL;

        for (uint32_t p = 0; p < life->partition_count; p++)
            if (life->partitions[p].partition == witnesses[i].partition)
                archived = &life->partitions[p];
        if (witnesses[i].state == LAM_WITNESS_GONE)
            lam_log_warn(&engine->log, "speed", "partition %" PRIu32 ": the witness at offset %" PRId64 " is gone (retention, compaction); the topic is taken for the same",
                         witnesses[i].partition, witnesses[i].offset);
        else
            *same = witnesses[i].state == LAM_WITNESS_FOUND && witnesses[i].crc == archived->witness.crc32c &&
                    (witnesses[i].timestamp_us == LAM_TIME_NONE ? -1 : witnesses[i].timestamp_us / 1000) == archived->witness.timestamp_ms;
    }
    free(witnesses);
    return rc;
}

static int open_life(struct lam_engine *engine, struct lam_speed_begun *begun, const char *cluster, struct lam_kafka *kafka, struct lam_error *err)
{
    const struct lam_job_stream *stream = engine->job->stream;
    const struct lam_state *state = lam_commitlog_peek(engine->commits);
    uint32_t number = lam_state_source_number(state, stream->name);
    const struct lam_state_life *life = number ? lam_state_newest_life(state, number) : NULL;
    struct lam_commit commit;
    char name[1024];
    int len = snprintf(name, sizeof name, "%s/%s/", cluster, stream->topic), rc = 0;
    bool same = false;

    if (len < 0 || len > (int)sizeof name - 16)
        return LAM_FAIL(err, LAM_E_LIMIT, "the name of cluster and topic is too long");
    if (life && !stream->local && !strncmp(life->name, name, (size_t)len) && (rc = same_topic(engine, kafka, life, &same, err)))
        return rc;
    if (!same) {
        if (life)
            lam_log_info(&engine->log, "speed", "topic %s is not the one that was archived (life %" PRIu32 "): a new life begins", stream->topic, life->number);
        snprintf(name + len, sizeof name - (size_t)len, "%" PRIu32, life ? life->number + 1 : 1);
        lam_commit_init(&commit, state->number);
        lam_commit_set_term(&commit, LAM_TERM_SPEED, begun->term);
        if (!number)
            rc = lam_commit_source(&commit, stream->name, err);
        if (!rc && !(rc = lam_commit_life(&commit, stream->name, name, err)))
            rc = lam_commitlog_commit(engine->commits, &commit, NULL, err);
        lam_commit_release(&commit);
        if (rc)
            return rc;
    }
    state = lam_commitlog_peek(engine->commits);
    begun->setup.source = lam_state_source_number(state, stream->name);
    begun->setup.life = lam_state_newest_life(state, begun->setup.source)->number;
    lam_engine_share(engine);
    return 0;
}

int lam_speed_replay_storage(struct lam_engine *engine, struct lam_speed_begun *begun, struct lam_error *err)
{
    const struct lam_job_stream *stream = engine->job->stream;
    const struct lam_state *state = lam_commitlog_peek(engine->commits);
    const struct lam_state_source *source = lam_state_source(state, begun->setup.source);
    struct lam_replay_options options = {.path = stream->replay->path, .brokers = begun->setup.brokers, .topic = stream->topic,
                                         .partitions = (uint32_t)begun->setup.start_count, .rate = stream->replay->rate, .keep = stream->local ? 0 : SIZE_MAX, .log = &engine->log};
    struct lam_kafka_prop *props;
    int rc = lam_speed_props(engine->job, &props, &options.prop_count, err);

    if (rc)
        return rc;
    options.props = props;
    for (size_t i = 0; i < stream->map.key.count && !options.key.len; i++)
        if (stream->map.key.items[i].len && stream->map.key.items[i].ptr[0] == '/')
            options.key = stream->map.key.items[i];
    for (uint32_t i = source->life_count; i > 0 && !options.cursor.len; i--)
        options.cursor = lam_sv_of(source->lives[i - 1]->cursor);
    rc = lam_replay_start(&begun->replay, &options, err);
    free(props);
    return rc;
}

static int open_topic(struct lam_engine *engine, struct lam_speed_begun *begun, struct lam_kafka **kafka, struct lam_error *err)
{
    const struct lam_job_stream *stream = engine->job->stream;
    struct lam_kafka_options options = {.brokers = begun->setup.brokers, .topic = stream->topic, .log = &engine->log};
    struct lam_kafka_prop *props;
    char group[512];
    int rc;

    snprintf(group, sizeof group, "lamina-%s", engine->job->name);
    options.group = group;
    if ((rc = lam_speed_props(engine->job, &props, &options.prop_count, err)))
        return rc;
    options.props = props;
    rc = lam_kafka_open(kafka, &options, err);
    free(props);
    return rc;
}

int lam_speed_begin_storage(struct lam_engine *engine, struct lam_speed_begun *begun, struct lam_error *err)
{
    const struct lam_job_stream *stream = engine->job->stream;
    struct lam_kafka *kafka = NULL;
    uint32_t partitions = stream->partitions;
    char cluster[256];
    int rc = take_term(engine, begun, err);

    if (rc)
        return rc;
    if (stream->local) {
        if ((rc = lam_broker_open(&begun->broker, err)) || (rc = lam_broker_topic(begun->broker, stream->topic, partitions, err)))
            return rc;
        snprintf(begun->setup.brokers, sizeof begun->setup.brokers, "%s", lam_broker_bootstrap(begun->broker));
        snprintf(cluster, sizeof cluster, "%s", lam_broker_id(begun->broker));
        lam_log_info(&engine->log, "speed", "the local broker listens at %s; it forgets everything with this process", begun->setup.brokers);
    } else {
        snprintf(begun->setup.brokers, sizeof begun->setup.brokers, "%s", stream->brokers);
        if ((rc = open_topic(engine, begun, &kafka, err)))
            return rc;
        snprintf(cluster, sizeof cluster, "%s", lam_kafka_cluster_id(kafka));
        partitions = lam_kafka_partitions(kafka);
    }
    if (!(rc = open_life(engine, begun, cluster, kafka, err)))
        rc = lam_speed_find_starts(engine, begun, partitions, kafka, err);
    lam_kafka_close(kafka);
    return rc;
}

void lam_speed_begun_release(struct lam_speed_begun *begun)
{
    lam_replay_stop(begun->replay);
    lam_broker_close(begun->broker);
    lam_pulse_stop(begun->pulse);
    lam_speed_setup_release(&begun->setup);
    begun->replay = NULL;
    begun->broker = NULL;
    begun->pulse = NULL;
}
