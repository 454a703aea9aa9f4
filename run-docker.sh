#!/usr/bin/env bash
# Runs mock-ec2-metadata in Docker with your ~/.aws; see usage below.
set -euo pipefail

image=mock-ec2-metadata:latest
dev_image=mock-ec2-metadata:dev
container=mock-ec2-metadata
home=/home/mock # HOME in both images
label=mock-ec2-metadata

usage() {
	cat <<EOT
Usage: ./run-docker.sh dev|prd|it [ARGUMENT]...

  prd   in the background, started again with Docker; a second call replaces
        the first container. ARGUMENTs go to the daemon:
          ./run-docker.sh prd --log-level debug
  dev   in the foreground with the debug log, rebuilt and restarted when a
        source file changes. ARGUMENTs go to the daemon.
  it    a shell in the image of dev, no port published. ARGUMENTs are the
        command to run instead:
          ./run-docker.sh it go test ./...

~/.aws is mounted read-only, except for the token caches of SSO and login.
The daemon's key for identity documents is kept in ~/.local/state/mock-ec2-metadata.
The daemon reads conf/config.yaml of this repository, if there is one.

Environment:
  PORT   port on this machine (default: 5000)
  BIND   address on this machine (default: 0.0.0.0; 127.0.0.1 narrows it)
  LINK_LOCAL=1   prd also answers at 169.254.169.254 while it runs, to this
         machine and all its containers; the daemon then is in the machine's
         network and starts as root, with the capabilities NET_ADMIN,
         NET_BIND_SERVICE, SETUID, SETGID and DAC_OVERRIDE (Linux)
Passed on when set: AWS_PROFILE, AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_STS,
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, HTTPS_PROXY,
  HTTP_PROXY, NO_PROXY and MOCK_EC2_METADATA__*. The files that
  AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE and AWS_CA_BUNDLE name are
  mounted.
This machine is host.docker.internal inside the container. With prd, virtual
machines are let in whose networks this machine has when it is called.
EOT
}

note() { echo "run-docker.sh: $*" >&2; }

die() {
	note "$@"
	exit 1
}

# find_root sets root: the folder this script is in, also when it was called
# through a symlink.
find_root() {
	local script=$0 link
	while [ -L "$script" ]; do
		link=$(readlink "$script")
		case $link in
		/*) script=$link ;;
		*) script=$(dirname "$script")/$link ;;
		esac
	done
	root=$(cd "$(dirname "$script")" && pwd -P)
}

# find_docker sets security: the engine's security options.
find_docker() {
	command -v docker >/dev/null 2>&1 ||
		die "docker is not installed, or not on the PATH: https://docs.docker.com/engine/install/"
	security=$(docker info --format '{{.SecurityOptions}}' 2>/dev/null) ||
		die "Docker does not answer: is it running, and may you use it? (try: docker info)"
}

need_image() {
	docker image inspect "$1" >/dev/null 2>&1 ||
		die "there is no image $1 yet; build it: ./build-docker.sh"
}

# add_mount SOURCE TARGET [readonly] adds a bind mount to run. The quotes are
# those of CSV, which --mount reads: a path may hold a comma.
add_mount() {
	local quote='"'
	run+=(--mount "type=bind,${quote}source=${1//$quote/$quote$quote}$quote,target=$2${3:+,$3}")
}

# owner FILE prints its uid:gid, behind a symlink too (GNU, then BSD).
owner() {
	stat -L -c %u:%g "$1" 2>/dev/null || stat -L -f %u:%g "$1"
}

# mount_file VARIABLE NAME mounts a file that the folder's mount does not
# bring: the one VARIABLE names, or the one ~/.aws/NAME is a symlink to.
mount_file() {
	local file=${!1:-}
	if [ -n "$file" ]; then
		[ -f "$file" ] || die "$1 names $file, which is not there"
		note "$1 is set: $file is mounted (edit it in place, or run this again)"
	elif [ -L "$aws/$2" ] && [ -f "$aws/$2" ]; then
		file=$aws/$2
	else
		return 0
	fi
	file=$(cd "$(dirname "$file")" && pwd -P)/$(basename "$file")
	add_mount "$file" "$home/aws/$2" readonly
	run+=(--env "$1=$home/aws/$2")
	if [ -z "$as" ]; then as=$(owner "$file"); fi
}

# mount_cache NAME mounts ~/.aws/NAME/cache writable over the read-only
# ~/.aws. Docker cannot make the mount point there, so it has to exist; it is
# made when the configuration matches PATTERN, which says that it is used.
mount_cache() {
	local name=$1 pattern=$2 dir=$aws/$1/cache
	if [ ! -d "$dir" ]; then
		grep -Eqs "$pattern" "${AWS_CONFIG_FILE:-$aws/config}" || return 0
		(umask 077 && mkdir -p "$dir") || die "cannot make $dir, which $name needs"
		if [ "$(id -u)" -eq 0 ]; then chown "$as" "$aws/$name" "$dir"; fi
	fi
	add_mount "$dir" "$home/.aws/$name/cache"
}

# add_aws brings ~/.aws into the container, and starts it as the owner of
# those files, since they are readable for nobody else.
add_aws() {
	local aws=${HOME:-}/.aws as=
	if [ -d "$aws" ]; then
		as=$(owner "$aws")
		add_mount "$aws" "$home/.aws" readonly
	elif [ -z "${AWS_CONFIG_FILE:-}${AWS_SHARED_CREDENTIALS_FILE:-}${AWS_ACCESS_KEY_ID:-}" ]; then
		note "there is no $aws: only made-up credentials (credentials.mock) will work until it exists and this is run again"
	fi
	mount_file AWS_CONFIG_FILE config
	mount_file AWS_SHARED_CREDENTIALS_FILE credentials
	mount_file AWS_CA_BUNDLE ca-bundle.pem
	if [ -d "$aws" ]; then
		mount_cache sso '^[[:space:]]*(sso_|\[sso-session)'
		mount_cache login '^[[:space:]]*login_session'
	fi
	if grep -Eqs '^[[:space:]]*credential_process' "${AWS_CONFIG_FILE:-$aws/config}"; then
		note "your AWS configuration names a credential_process: the image of prd has no programs but the daemon, so profiles that need one work only outside Docker (make run)"
	fi

	case $security in
	*name=rootless*) # there, root inside is you outside
		as=0:0
		run+=(--env MOCK_EC2_METADATA__SERVER__USER=root)
		;;
	*name=userns*) run+=(--userns=host) ;;
	esac
	as=${as:-$(id -u):$(id -g)}
	if [ -n "$link_local" ]; then
		add_root "$as"
	else
		run+=(--user "$as")
	fi
	add_state "$as"
	# Relabelling ~/.aws for one container would take it from others.
	if [ "$(getenforce 2>/dev/null || true)" = Enforcing ]; then
		run+=(--security-opt label=disable)
	fi
}

# add_root OWNER starts the container as root, which the daemon leaves for the
# owner once the address is in place. What takes the address away stays root's.
# DAC_OVERRIDE: until then it reads the owner's files, as docker exec does.
add_root() {
	local capability
	run+=(--user 0:0)
	for capability in NET_ADMIN NET_BIND_SERVICE SETUID SETGID DAC_OVERRIDE; do
		run+=(--cap-add "$capability")
	done
	if [ -z "${MOCK_EC2_METADATA__SERVER__USER+set}" ]; then
		run+=(--env "MOCK_EC2_METADATA__SERVER__USER=${1%%:*}")
	fi
}

# add_state OWNER mounts the folder where the daemon keeps the key that signs
# identity documents, the same as without Docker.
add_state() {
	local dir=${XDG_STATE_HOME:-${HOME:-}/.local/state}/mock-ec2-metadata
	[ -n "${HOME:-}" ] || return 0
	if [ ! -d "$dir" ]; then
		(umask 077 && mkdir -p "$dir") || die "cannot make $dir, where the daemon keeps its key"
		if [ "$(id -u)" -eq 0 ]; then chown "$1" "$dir"; fi
	fi
	add_mount "$dir" "$home/.local/state/mock-ec2-metadata"
}

# add_environment passes variables on by name only, so that no value shows
# in the list of processes.
add_environment() {
	local name
	for name in AWS_PROFILE AWS_ENDPOINT_URL AWS_ENDPOINT_URL_STS \
		AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN \
		HTTPS_PROXY HTTP_PROXY NO_PROXY \
		$(compgen -e | grep '^MOCK_EC2_METADATA__' || true); do
		if [ -z "${!name+set}" ]; then continue; fi
		run+=(--env "$name")
		if [ -n "$link_local" ]; then continue; fi # there, localhost is this machine
		case $name:${!name} in
		AWS_ENDPOINT_URL*://localhost* | AWS_ENDPOINT_URL*://127.* | \
			HTTP*_PROXY:*//localhost* | HTTP*_PROXY:*//127.*)
			note "$name: in the container, localhost is the container; for this machine write host.docker.internal"
			;;
		esac
	done
	if [ -n "${MOCK_EC2_METADATA_CONFIG:-}" ]; then
		note "MOCK_EC2_METADATA_CONFIG is not passed on: the container reads conf/config.yaml of $root"
	fi
	run+=(--add-host host.docker.internal:host-gateway)
}

# add_networks tells the daemon this machine's virtual networks, so that its
# virtual machines are let in: inside, it sees Docker's alone.
add_networks() {
	local networks
	[ -z "$link_local" ] || return 0 # then it sees all
	networks=$(docker run --rm --network host --read-only --cap-drop ALL \
		--security-opt no-new-privileges "$image" networks 2>/dev/null) || return 0
	run+=(--env "MOCK_EC2_METADATA_NETWORKS=$networks")
}

add_port() {
	local bind=${BIND:-0.0.0.0} port=${PORT:-5000}
	case $bind in
	*:*) bind="[${bind//[\[\]]/}]" ;;
	esac
	if [ -n "$link_local" ]; then
		# By the environment, for docker exec and the health check to know.
		run+=(--network host --env "MOCK_EC2_METADATA__SERVER__LISTEN=[\"$bind:$port\"]")
	else
		run+=(--publish "$bind:$port:5000")
	fi
	case $bind in
	0.0.0.0 | '[::]') url=http://127.0.0.1:$port/ ;;
	*) url=http://$bind:$port/ ;;
	esac
}

# last_words prints what the container logged last.
last_words() {
	docker logs --tail 20 "$container" >&2 || true
}

prd() {
	need_image "$image"
	run+=(--detach --name "$container" --label "$label" --restart unless-stopped
		--read-only --tmpfs "/tmp:rw,noexec,nosuid,nodev,size=16m,mode=1777")
	case ${LINK_LOCAL:-0} in
	0) ;;
	1)
		case $security in
		*name=rootless*) die "LINK_LOCAL=1 needs an engine that runs as root, and this one does not; without Docker: sudo mock-ec2-metadata serve --link-local" ;;
		esac
		link_local=yes
		set -- --link-local "$@"
		;;
	*) die "LINK_LOCAL is \"$LINK_LOCAL\", but must be 1 or 0" ;;
	esac
	add_port
	# The folder, not the file: an editor that saves by renaming puts a new
	# file there, and the daemon has to see it.
	if [ -d "$root/conf" ]; then add_mount "$root/conf" /conf readonly; fi
	add_aws
	add_environment
	add_networks

	if docker container inspect "$container" >/dev/null 2>&1; then
		docker stop "$container" >/dev/null || true
		docker rm --force "$container" >/dev/null
		echo "Replacing the container $container that was there."
	fi
	if ! docker run "${run[@]}" "$image" "$@" >/dev/null; then
		docker rm --force "$container" >/dev/null 2>&1 || true
		die "the container could not be started (is the port taken? another one: PORT=5001 ./run-docker.sh prd)"
	fi

	local state deadline=$((SECONDS + 10))
	until docker exec "$container" /mock-ec2-metadata healthcheck >/dev/null 2>&1; do
		state=$(docker container inspect --format '{{.State.Status}} {{.RestartCount}}' "$container" 2>/dev/null || echo gone)
		if [ "$state" != "running 0" ]; then
			docker stop "$container" >/dev/null 2>&1 || true # no more restarts
			last_words
			die "the daemon did not start; its last log lines are above"
		fi
		if [ "$SECONDS" -ge "$deadline" ]; then
			last_words
			die "no answer after 10 s, though it runs; its last log lines are above (docker logs -f $container)"
		fi
		sleep 0.25
	done

	cat <<EOT
mock-ec2-metadata answers at $url${link_local:+ and http://169.254.169.254/}
  state:  curl ${url}status
  log:    docker logs -f $container
  stop:   docker stop $container
EOT
}

# interactive adds what dev and it have in common.
interactive() {
	need_image "$dev_image"
	run+=(--rm --init --interactive --label "$label" --workdir /app)
	if [ -t 0 ]; then run+=(--tty); fi
	add_mount "$root" /app
	add_aws
	add_environment
}

dev() {
	local name=$container-dev argument quoted=() quote="'" escape="'\\''"
	if [ -n "$(docker container ls --quiet --filter "name=^/?$name\$")" ]; then
		die "$name runs already; stop it first: docker stop $name"
	fi
	export MOCK_EC2_METADATA__LOG__LEVEL="${MOCK_EC2_METADATA__LOG__LEVEL:-debug}"
	run+=(--name "$name")
	add_port
	interactive
	# The reloader puts the daemon's arguments on a line for sh.
	for argument in "$@"; do
		quoted+=("$quote${argument//$quote/$escape}$quote")
	done
	exec docker run "${run[@]}" "$dev_image" \
		air -c tools/air.toml -- ${quoted[@]+"${quoted[@]}"}
}

it() {
	interactive
	if [ $# -eq 0 ]; then set -- bash; fi
	exec docker run "${run[@]}" "$dev_image" "$@"
}

mode=${1-}
case $mode in
dev | prd | it) shift ;;
-h | --help)
	usage
	exit 0
	;;
*)
	usage >&2
	exit 2
	;;
esac

run=(--cap-drop ALL --security-opt no-new-privileges)
link_local=
find_root
find_docker
"$mode" "$@"
