#!/usr/bin/env bash
# Makes dist/: all files of a release. "make dist" runs it; CONTRIBUTING.md, "Release", says how. Variables:
#
#   VERSION      such as v1.2.0 or v1.2.0-rc.1; without it, the tag of the commit
#   DIST         all, or platforms such as "linux/amd64 darwin/arm64"; without it, this machine's
#   SNAPSHOT     1: no release, but its files, of any tree: the version is 0.0.0-alpha.<the commit's time>
#   SIGNING_KEY  a private key of ssh-keygen, which signs SHA256SUMS
#   URL          where the files will be, for the formula and the manifest; HOMEPAGE, MAINTAINER likewise
#
# The same commit gives the same bytes, at any time and in any folder, with the same Go and xz.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C TZ=UTC
umask 022
# What a machine's own settings would change in the files.
export GOFLAGS=-buildvcs=false GOAMD64=v1 GOARM64=v8.0
unset GOEXPERIMENT XZ_DEFAULTS XZ_OPT GZIP TAR_OPTIONS

name=mock-ec2-metadata
out=$PWD/dist
work=$out/.work
die() {
	printf 'make dist: %s\n' "$*" >&2
	exit 1
}

for tool in git go xz tar gzip sha256sum ${SIGNING_KEY:+ssh-keygen}; do command -v "$tool" >/dev/null || die "$tool is not installed"; done
[ -z "${SIGNING_KEY:-}" ] || [ -r "$SIGNING_KEY" ] || die "SIGNING_KEY: cannot read $SIGNING_KEY; name a private key of ssh-keygen"

# version is that of the files, without v; stamp is what the programs say.
if [ "${SNAPSHOT:-}" = 1 ]; then
	stamp=$(git describe --tags --always --dirty --abbrev=12)
	version=0.0.0-alpha.$(git log -1 --format=%ct) # a version to apk too
else
	stamp=${VERSION:-$(git describe --tags --exact-match 2>/dev/null || true)}
	[ -n "$stamp" ] || die "the commit has no tag; tag it, or make dist VERSION=v1.2.0, or make dist SNAPSHOT=1"
	# Before a release only what all of deb, rpm and apk have a word for.
	[[ $stamp =~ ^v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-(alpha|beta|rc)\.[0-9]+)?$ ]] || die "$stamp is no version; write it as v1.2.0 or v1.2.0-rc.1"
	version=${stamp#v}
	changed=$(git status --porcelain | head -5)
	[ -z "$changed" ] || die "the tree has changes; commit or remove them:"$'\n'"$changed"
	grep -Eq "^## \[?${version//./\\.}\]?( |$)" CHANGELOG.md || die "CHANGELOG.md has no heading \"## $version\"; rename \"## Unreleased\""
fi
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

all="linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64"
platforms=${DIST:-$(go env GOOS)/$(go env GOARCH)}
if [ "$platforms" = all ]; then platforms=$all; fi
for platform in $platforms; do [[ " $all " == *" $platform "* ]] || die "DIST: $platform is none of $all"; done

homepage=${HOMEPAGE:-https://example.invalid/$name}
url=${URL:-$homepage/releases/download/$stamp}
maintainer=${MAINTAINER:-The $name authors <$name@example.invalid>}

rm -rf "$out"
mkdir -p "$work"

# put MODE FILE... DIR copies files with a mode that no umask changes.
put() { install -D -m "$1" -t "${@: -1}" "${@:2:$#-2}"; }
# archive FILE PARENT NAME writes an uncompressed tar to stdout, the same each time.
archive() { tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --format=ustar -C "$1" -cf - "$2"; }

echo "make dist: $version of $(git rev-parse --short=12 HEAD), for $platforms"
for tool in docgen licenses pack; do go build -trimpath -o "$work/$tool" "./packaging/$tool"; done
"$work/docgen" -out "$work/docs" -version "$version" -epoch "$SOURCE_DATE_EPOCH"
for program in "$name" "$name-kube"; do # of all platforms, so that an archive's file does not depend on DIST
	mkdir -p "$work/third-party/$program"
	"$work/licenses" -tags "$(sed -n 's/^TAGS := //p' Makefile)" -platforms "$all" "./cmd/$program" >"$work/third-party/$program/THIRD-PARTY-LICENSES"
done

# 1. The programs, by the Makefile's own command.
for platform in $platforms; do
	os=${platform%/*} arch=${platform#*/}
	GOOS=$os GOARCH=$arch make --silent build kube VERSION="$stamp" BIN="${work#"$PWD/"}/bin/${os}_$arch/$name" ARGS=
done

# 2. An archive of each program and platform.
stage_archive() { # program os arch: prints the name of the archive's folder
	local program=$1 os=$2 arch=$3 folder=$1_${version}_$2_$3
	local dir=$work/archives/$folder
	put 755 "$work/bin/${os}_$arch/$program" "$dir"
	put 644 LICENSE README.md "$work/third-party/$program/THIRD-PARTY-LICENSES" "$dir"
	install -m 644 "$work/docs/config.yaml" "$dir/sample-config.yaml"
	put 644 "$work/docs/completions/$program.bash" "$work/docs/completions/_$program" "$work/docs/completions/$program.fish" "$dir/completions"
	put 644 "$work/docs/man/$program.1" "$work/docs/man/$name.5" "$dir/man"
	for page in "$work/docs/man/$program"-*.1; do # of the plain program not those of the other one
		if [ "$program" = "$name" ] && [[ $page == */$name-kube[.-]* ]]; then continue; fi
		put 644 "$page" "$dir/man"
	done
	if [ "$os" = windows ]; then
		mv "$dir/$program" "$dir/$program.exe"
		rm -r "$dir/man"
	fi
	echo "$folder"
}
for platform in $platforms; do
	for program in "$name" "$name-kube"; do
		folder=$(stage_archive "$program" "${platform%/*}" "${platform#*/}")
		if [ "${platform%/*}" = windows ]; then
			"$work/pack" zip -epoch "$SOURCE_DATE_EPOCH" -out "$out/$folder.zip" "$work/archives/$folder"
		else
			archive "$work/archives" "$folder" >"$work/$folder.tar"
			printf '%s\0' "$folder.tar"
		fi
	done
done >"$work/tars"
(cd "$work" && xargs -0 -r -P "$(nproc)" -n 1 xz -6 --threads=1 <tars && mv -- *.tar.xz "$out")

# 3. The packages of Linux.
rpm_document() { printf '  - {src: "%s", dst: "%s/%s", type: doc, packager: rpm}\n' "$1" "$2" "${1##*/}"; } # file folder
linux_package() { # arch
	local arch=$1 stage=$work/stage_$1 file
	put 755 "$work/bin/linux_$arch/$name" "$work/bin/linux_$arch/$name-kube" "$stage/bin"
	put 644 "$work/docs/config.yaml" LICENSE CHANGELOG.md packaging/preset packaging/lintian-overrides "$stage"
	put 644 "$work/third-party/$name-kube/THIRD-PARTY-LICENSES" "$stage" # it holds all that the other one does
	put 644 "$work"/docs/man/* "$stage/man"
	put 644 "$work"/docs/completions/* "$stage/completions"
	put 644 "$work"/docs/units/* "$stage/units"
	put 755 packaging/openrc/*.initd "$stage/openrc"
	put 644 packaging/openrc/*.confd "$stage/openrc"
	put 644 deploy/systemd/as-user.conf deploy/compose/* conf/sample-config.yaml "$stage/examples"
	{
		cat packaging/copyright.head
		sed -e '1,/^Copyright/d' -e '/./!s/^/./' -e 's/^/ /' LICENSE | sed '1{/^ \.$/d}'
	} >"$stage/copyright"
	gzip -n9 "$stage"/man/*
	gzip -n9 --keep "$stage/CHANGELOG.md" "$stage/THIRD-PARTY-LICENSES"
	{
		cat packaging/nfpm.yaml
		for file in "$stage"/man/*.1.gz; do rpm_document "$file" /usr/share/man/man1; done
		rpm_document "$stage/man/$name.5.gz" /usr/share/man/man5
		rpm_document "$stage/CHANGELOG.md" "/usr/share/doc/$name"
		for file in "$stage"/examples/*; do rpm_document "$file" "/usr/share/doc/$name/examples"; done
	} >"$work/nfpm.yaml"
	for kind in deb rpm apk; do
		file=$out/${name}_${version}_$arch.$kind packaged=$version
		if [ "$kind" = apk ]; then # to it a description is one line, and a version is 1.2.0_rc1
			sed -i '/^description:/,/^changelog:/{/^   *It answers/,/cluster\.$/d}' "$work/nfpm.yaml"
			packaged=$(sed -E 's/-([a-z]+)\./-\1/' <<<"$version")
		fi
		STAGE=$stage ARCH=$arch VERSION=$packaged MAINTAINER=$maintainer HOMEPAGE=$homepage \
			bin/tools/nfpm package --config "$work/nfpm.yaml" --packager "$kind" --target "$file" >/dev/null
	done
}
put 755 packaging/scripts/* "$work/scripts"
touch --date="@$SOURCE_DATE_EPOCH" "$work"/scripts/* # an apk's scripts have the time of their files
cat >"$work/changelog.yaml" <<EOT
- semver: ${version/-/\~}-1
  date: $(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
  packager: $maintainer
  deb: {urgency: medium, distributions: [stable]}
  changes: [{note: "$version. What is new is in /usr/share/doc/$name."}]
EOT
for platform in $platforms; do
	if [ "${platform%/*}" = linux ]; then linux_package "${platform#*/}"; fi
done
find "$out" -maxdepth 1 -name '*.deb' -print0 | xargs -0 -r -P "$(nproc)" -n 1 "$work/pack" deb

# 4. The Helm chart. Its image is the one that build-docker.sh makes of the same commit.
cp -r "deploy/helm/$name" "$work/$name"
chmod -R u=rwX,go=rX "$work/$name"
sed -i -e "s/^version: .*/version: $version/" -e "s/^appVersion: .*/appVersion: \"$version\"/" "$work/$name/Chart.yaml"
sed -i "s/^  tag: latest\$/  tag: \"$(tr -c 'A-Za-z0-9_.\n-' - <<<"$stamp" | cut -c1-128)\"/" "$work/$name/values.yaml"
archive "$work" "$name" | gzip -n9 >"$out/$name-chart-$version.tgz"

# 5. What each program is made of.
for platform in $platforms; do
	os=${platform%/*} arch=${platform#*/}
	for program in "$name" "$name-kube"; do
		GOOS=$os GOARCH=$arch bin/tools/cyclonedx-gomod bin -json -std -noserial -notimestamp -version "$version" \
			-output "$out/${program}_${version}_${os}_$arch.cdx.json" "$work/bin/${os}_$arch/$program" 2>"$work/said" ||
			die "cyclonedx-gomod: $(cat "$work/said")"
	done
done

# 6. The formula and the manifest name the sums of archives of all platforms.
if [ "$(wc -w <<<"$platforms")" = "$(wc -w <<<"$all")" ]; then
	sums=(-e "s|@VERSION@|$version|g" -e "s|@URL@|$url|g" -e "s|@HOMEPAGE@|$homepage|g")
	for platform in $platforms; do
		key=${platform/\//_}
		sum=$(cat "$out/${name}_${version}_$key".{tar.xz,zip} 2>/dev/null | sha256sum | cut -d' ' -f1 || true)
		sums+=(-e "s|@SHA_$key@|$sum|g")
	done
	sed "${sums[@]}" packaging/homebrew.rb.in >"$out/$name.rb"
	sed "${sums[@]}" packaging/scoop.json.in >"$out/$name.json"
	if [ -z "${URL:-}" ]; then echo "make dist: URL is not set, so the formula and the manifest lead to $url"; fi
fi

# 7. The sums, and their signature.
rm -rf "$work"
(cd "$out" && sha256sum -- * >"$out/.sums" && mv .sums SHA256SUMS)
if [ -n "${SIGNING_KEY:-}" ]; then ssh-keygen -q -Y sign -f "$SIGNING_KEY" -n file "$out/SHA256SUMS"; fi
(cd "$out" && stat --printf='%9s  %n\n' -- *)
