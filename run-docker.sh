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

  prd   runs the daemon in the background; it starts again with Docker. A
        second call replaces the first container. ARGUMENTs go to the daemon:
          ./run-docker.sh prd --log-level debug
  dev   runs the daemon in the foreground with a debug log. A change of a
        source file rebuilds and restarts it. ARGUMENTs go to the daemon.
  it    runs a shell in the image of dev, and publishes no port. ARGUMENTs
        are the command to run instead:
          ./run-docker.sh it go test ./...

The container has ~/.aws read-only, except for the token caches of SSO and login.
The daemon keeps its key for identity documents and the secret of session
tokens in ~/.local/state/mock-ec2-metadata.
It reads conf/config.yaml of this repository, if that exists.

Environment:
  PORT   port on this machine (default: 5000)
  BIND   address on this machine (default: 0.0.0.0; 127.0.0.1 narrows it)
  LINK_LOCAL=1   prd also answers at 169.254.169.254 while it runs, to this
         machine and all its containers (Linux). The daemon then is in the
         machine's network and starts as root, with the capabilities
         NET_ADMIN, NET_BIND_SERVICE, SETUID, SETGID and DAC_OVERRIDE
  CONTAINERS=1   prd asks Docker which container a client is, so that labels
         choose roles (containers in the configuration, docs/identities.md).
         The daemon then is in the machine's network (Linux): behind a
         published port, all containers have one address. It gets Docker's
         socket, of DOCKER_HOST or /var/run/docker.sock. Who controls the
         daemon then controls Docker, and so is root on this machine
The script passes these variables on if they are set: AWS_PROFILE,
  AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_STS, AWS_ACCESS_KEY_ID,
  AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, HTTPS_PROXY, HTTP_PROXY, NO_PROXY
  and MOCK_EC2_METADATA__*. It mounts the files that AWS_CONFIG_FILE,
  AWS_SHARED_CREDENTIALS_FILE and AWS_CA_BUNDLE name, with ~, \$NAME and
  \${NAME} replaced.
Inside the container, this machine is host.docker.internal. With prd, the
daemon allows virtual machines on the networks that this machine has when you
call the script.
EOT
}

note() { echo "run-docker.sh: $*" >&2; }

die() {
	note "$@"
	exit 1
}

# find_root sets root: the folder of this script, also when a symlink leads to
# it.
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

# add_mount SOURCE TARGET [readonly] adds a bind mount to run. It quotes the
# source as CSV, which --mount reads: a path may hold a comma.
add_mount() {
	local quote='"'
	run+=(--mount "type=bind,${quote}source=${1//$quote/$quote$quote}$quote,target=$2${3:+,$3}")
}

# owner FILE prints the uid:gid of FILE, or of its target (GNU, then BSD).
owner() {
	stat -L -c %u:%g "$1" 2>/dev/null || stat -L -f %u:%g "$1"
}

# expand PATH prints PATH as the daemon and the AWS CLI read it: the variables
# that are set replace $NAME and ${NAME}, then a home directory ~ or ~USER.
expand() {
	local path=$1 result='' name text user
	# shellcheck disable=SC2016 # the pattern of a variable, not its value
	local variable='\$([A-Za-z0-9_]+|\{[^}]*\})'
	while [[ $path =~ $variable ]]; do
		text=${BASH_REMATCH[0]}
		name=${BASH_REMATCH[1]#\{}
		name=${name%\}}
		result+=${path%%"$text"*}
		path=${path#*"$text"}
		if [[ $name =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] && [ -n "${!name+set}" ]; then text=${!name}; fi
		result+=$text
	done
	path=$result$path
	case $path in
	"~" | "~"/*) path=${HOME:-"~"}${path#"~"} ;;
	"~"*)
		user=${path#"~"}
		user=${user%%/*}
		if [[ $user =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]*$ ]]; then
			eval "text=~$user" # the shell knows home directories; the name has no special character
			path=$text${path#"~$user"}
		fi
		;;
	esac
	printf '%s\n' "$path"
}

# mount_file VARIABLE NAME mounts a file outside ~/.aws: the one that VARIABLE
# names, or the target of the symlink ~/.aws/NAME.
mount_file() {
	local file
	file=$(expand "${!1:-}")
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

# mount_cache NAME PATTERN mounts ~/.aws/NAME/cache writable over the read-only
# ~/.aws. Docker cannot make the mount point there. So this function makes it
# if the configuration matches PATTERN, that is, if the SDK uses the cache.
mount_cache() {
	local name=$1 pattern=$2 dir=$aws/$1/cache
	if [ ! -d "$dir" ]; then
		grep -Eqs "$pattern" "$config" || return 0
		(umask 077 && mkdir -p "$dir") || die "cannot make $dir, which $name needs"
		if [ "$(id -u)" -eq 0 ]; then chown "$as" "$aws/$name" "$dir"; fi
	fi
	add_mount "$dir" "$home/.aws/$name/cache"
}

# add_aws mounts ~/.aws, and runs the container as the owner of those files,
# the only user that can read them.
add_aws() {
	local aws=${HOME:-}/.aws as='' config
	config=$(expand "${AWS_CONFIG_FILE:-$aws/config}")
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
	if grep -Eqs '^[[:space:]]*credential_process' "$config"; then
		note "your AWS configuration names a credential_process: the image of prd has no programs but the daemon, so profiles that need one work only outside Docker (make run)"
	fi

	case $security in
	*name=rootless*) # root in the container is you on this machine
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

# add_root OWNER starts the container as root. The daemon becomes the owner once
# the address is in place; the process that removes the address stays root.
# DAC_OVERRIDE: root reads the owner's files until then, and so does docker exec.
# The control socket is in /run. Everyone can write there, since root cannot give
# a directory away without CHOWN: the owner makes it.
add_root() {
	local capability
	run+=(--user 0:0 --tmpfs "/run:rw,noexec,nosuid,nodev,size=1m,mode=1777")
	for capability in NET_ADMIN NET_BIND_SERVICE SETUID SETGID DAC_OVERRIDE; do
		run+=(--cap-add "$capability")
	done
	if [ -z "${MOCK_EC2_METADATA__SERVER__USER+set}" ]; then
		run+=(--env "MOCK_EC2_METADATA__SERVER__USER=${1%%:*}")
	fi
}

# add_state OWNER mounts the folder of the key that signs identity documents,
# the same folder as without Docker.
add_state() {
	local dir=${XDG_STATE_HOME:-${HOME:-}/.local/state}/mock-ec2-metadata
	[ -n "${HOME:-}" ] || return 0
	if [ ! -d "$dir" ]; then
		(umask 077 && mkdir -p "$dir") || die "cannot make $dir, where the daemon keeps its key"
		if [ "$(id -u)" -eq 0 ]; then chown "$1" "$dir"; fi
	fi
	add_mount "$dir" "$home/.local/state/mock-ec2-metadata"
}

# add_environment passes variables on by name, so that the list of processes
# shows no value.
add_environment() {
	local name
	for name in AWS_PROFILE AWS_ENDPOINT_URL AWS_ENDPOINT_URL_STS \
		AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN \
		HTTPS_PROXY HTTP_PROXY NO_PROXY \
		$(compgen -e | grep '^MOCK_EC2_METADATA__' || true); do
		if [ -z "${!name+set}" ]; then continue; fi
		run+=(--env "$name")
		if [ -n "$host_network" ]; then continue; fi # localhost is this machine
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

# add_engine gives the daemon the socket of Docker's API, and the group that may
# use it. A socket cannot be mounted read-only: who can connect can do all that
# the API does. The daemon is in this machine's network, since Docker's proxy
# connects in place of the containers that ask a published port.
add_engine() {
	local socket=${DOCKER_HOST:-unix:///var/run/docker.sock}
	case $security in
	*name=rootless*) die "CONTAINERS=1 needs an engine that runs as root, and this one does not; without Docker: make run, with containers.engine in conf/config.yaml" ;;
	esac
	case $socket in
	unix:///*) socket=${socket#unix://} ;;
	*) die "CONTAINERS=1 needs the engine's socket on this machine, but DOCKER_HOST is $socket" ;;
	esac
	[ -S "$socket" ] || die "CONTAINERS=1 needs the engine's socket, but $socket is none; name it: DOCKER_HOST=unix:///path"
	socket=$(cd "$(dirname "$socket")" && pwd -P)/$(basename "$socket")
	host_network=yes
	add_mount "$socket" /docker.sock
	local group
	group=$(owner "$socket")
	run+=(--group-add "${group#*:}" --env MOCK_EC2_METADATA__CONTAINERS__ENGINE=unix:///docker.sock)
	note "the daemon gets $socket: who controls it controls Docker"
}

# add_networks tells the daemon this machine's virtual networks, so that it
# allows virtual machines on them. A daemon in a container sees only Docker's.
add_networks() {
	local networks
	[ -z "$host_network" ] || return 0 # the daemon sees all networks
	networks=$(docker run --rm --network host --read-only --cap-drop ALL \
		--security-opt no-new-privileges "$image" networks 2>/dev/null) || return 0
	run+=(--env "MOCK_EC2_METADATA_NETWORKS=$networks")
}

add_port() {
	local bind=${BIND:-0.0.0.0} port=${PORT:-5000}
	case $bind in
	*:*) bind="[${bind//[\[\]]/}]" ;;
	esac
	if [ -n "$host_network" ]; then
		# In the environment, so that docker exec and the health check see it.
		run+=(--network host --env "MOCK_EC2_METADATA__SERVER__LISTEN=[\"$bind:$port\"]")
	else
		run+=(--publish "$bind:$port:5000")
	fi
	case $bind in
	0.0.0.0 | '[::]') url=http://127.0.0.1:$port/ ;;
	*) url=http://$bind:$port/ ;;
	esac
}

# last_words prints the last lines of the container's log.
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
		host_network=yes
		set -- --link-local "$@"
		;;
	*) die "LINK_LOCAL is \"$LINK_LOCAL\", but must be 1 or 0" ;;
	esac
	case ${CONTAINERS:-0} in
	0) ;;
	1) add_engine ;;
	*) die "CONTAINERS is \"$CONTAINERS\", but must be 1 or 0" ;;
	esac
	add_port
	# The folder, not the file: the daemon must see the new file of an editor
	# that saves by renaming.
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

# interactive adds the options that dev and it share.
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
	# The reloader passes the daemon's arguments to sh on one line.
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
host_network=
find_root
find_docker
"$mode" "$@"
