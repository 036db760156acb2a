#!/usr/bin/env bash
# A real Kafka broker on this machine, for tests and for people.
#
#   kafka_broker.sh start DIR    starts one with its data and logs in DIR (made where it is missing), prints its address, HOST:PORT
#   kafka_broker.sh stop DIR     stops it (kill, then kill -9 after 20 s), keeps DIR
#   kafka_broker.sh kill DIR     kill -9; a later start goes on with its data
#   kafka_broker.sh fetch        only fetches what start needs
#
# The jars (54 MB) come from Maven's registry once, into LAMINA_KAFKA_CACHE (default: ~/.cache/lamina/kafka-VERSION).
# Exit 77 where Java, Maven or the registry is missing: CTest's "skipped". Exit 1 where the broker does not start; DIR/server.log says why.
set -euo pipefail

VERSION=4.3.1
CACHE=${LAMINA_KAFKA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lamina/kafka-$VERSION}
READY_S=${LAMINA_KAFKA_READY_S:-120}

say() { echo "kafka_broker.sh: $*" >&2; }
skip() { say "skipped: $*"; exit 77; }
die() { say "$*"; exit 1; }

fetch() {
    [ -f "$CACHE/complete" ] && return
    command -v java >/dev/null || skip "no java (apt-get install openjdk-17-jre-headless)"
    command -v mvn >/dev/null || skip "no mvn (apt-get install maven)"
    mkdir -p "$CACHE"
    exec 9>"$CACHE/lock"
    flock -w 600 9 || die "$CACHE/lock is held by another"
    [ -f "$CACHE/complete" ] && return
    cat >"$CACHE/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>lamina</groupId><artifactId>kafka-for-tests</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$VERSION</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$VERSION</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.5</version></dependency>
  </dependencies>
</project>
POM
    (cd "$CACHE" && timeout 500 mvn -q -B dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$CACHE/libs") >"$CACHE/mvn.log" 2>&1 ||
        skip "Maven's registry was not reached, or has no Kafka $VERSION: $(grep -m1 ERROR "$CACHE/mvn.log" || true)"
    touch "$CACHE/complete"
}

# Two ports that nobody has now, below those that the system gives to clients, so that nobody takes them between here and the broker's bind.
free_ports() {
    local low ports=() port
    low=$(cut -f1 /proc/sys/net/ipv4/ip_local_port_range)
    for _ in $(seq 200); do
        port=$((10240 + (RANDOM * 32768 + RANDOM) % (low - 10240)))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && continue
        ports+=("$port")
        [ ${#ports[@]} -eq 2 ] && { echo "${ports[@]}"; return; }
    done
    die "no free port"
}

# The broker's session is as long as Kafka has it: with one of 2 s a busy machine makes it lose all of its partitions for a while. A broker that was killed
# waits as long before it comes back.
configure() {
    local broker=$1 controller=$2
    cat >"$DIR/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
log.dirs=$DIR/data
listeners=BROKER://127.0.0.1:$broker,CONTROLLER://127.0.0.1:$controller
advertised.listeners=BROKER://127.0.0.1:$broker
controller.listener.names=CONTROLLER
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
num.partitions=4
auto.create.topics.enable=true
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
num.network.threads=2
num.io.threads=2
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=9000
broker.heartbeat.interval.ms=500
log.retention.check.interval.ms=1000
log.initial.task.delay.ms=1000
log.cleaner.backoff.ms=1000
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
PROPERTIES
    cat >"$DIR/log4j2.properties" <<'LOG'
rootLogger.level=WARN
rootLogger.appenderRef.c.ref=C
appender.c.type=Console
appender.c.name=C
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=%d %p %m (%c{1})%n
LOG
}

alive() { [ -f "$DIR/pid" ] && kill -0 "$(cat "$DIR/pid")" 2>/dev/null; }

# A listening port is not enough: the broker must answer a question about itself. kcat asks quickly, Kafka's own tool does where there is none.
answers() {
    if command -v kcat >/dev/null; then
        kcat -b "$1" -L -m 1 2>/dev/null | grep -q '^  broker '
    else
        timeout 10 java -Xmx128m -XX:TieredStopAtLevel=1 "-Dlog4j2.configurationFile=$DIR/log4j2.properties" -cp "$CACHE/libs/*" \
            org.apache.kafka.tools.TopicCommand --bootstrap-server "$1" --list >/dev/null 2>&1
    fi
}

start() {
    local broker controller deadline
    fetch
    mkdir -p "$DIR"
    DIR=$(cd "$DIR" && pwd)
    alive && die "a broker runs in $DIR already: pid $(cat "$DIR/pid")"
    if [ ! -f "$DIR/data/meta.properties" ]; then
        read -r broker controller <<<"$(free_ports)"
        configure "$broker" "$controller"
        java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "-Dlog4j2.configurationFile=$DIR/log4j2.properties" -cp "$CACHE/libs/*" kafka.tools.StorageTool \
            format -t "$(head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | cut -c1-21)A" -c "$DIR/server.properties" >"$DIR/format.log" 2>&1 ||
            die "format failed: $(tail -3 "$DIR/format.log")"
        echo "127.0.0.1:$broker" >"$DIR/bootstrap"
    fi
    setsid java -Xms256m -Xmx512m "-Dlog4j2.configurationFile=$DIR/log4j2.properties" -cp "$CACHE/libs/*" kafka.Kafka "$DIR/server.properties" \
        >>"$DIR/server.log" 2>&1 </dev/null 9>&- &
    echo $! >"$DIR/pid"
    deadline=$((SECONDS + READY_S))
    until answers "$(cat "$DIR/bootstrap")"; do
        alive || die "the broker ended: $(tail -3 "$DIR/server.log")"
        [ $SECONDS -lt $deadline ] || { stop; die "not ready after $READY_S s: $(tail -3 "$DIR/server.log")"; }
        sleep 0.2
    done
    cat "$DIR/bootstrap"
}

stop() {
    local pid
    alive || { rm -f "$DIR/pid"; return 0; }
    pid=$(cat "$DIR/pid")
    kill "${1:--TERM}" "$pid" 2>/dev/null || true
    for _ in $(seq 100); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.2
    done
    kill -9 "$pid" 2>/dev/null || true
    rm -f "$DIR/pid"
}

case "${1:-}" in
    fetch) fetch ;;
    start | stop | kill)
        [ $# -eq 2 ] || die "usage: kafka_broker.sh $1 DIR"
        DIR=$2
        case "$1" in
            start) start ;;
            stop) stop -TERM ;;
            kill) stop -KILL ;;
        esac
        ;;
    *) die "usage: kafka_broker.sh start|stop|kill DIR, or fetch" ;;
esac
