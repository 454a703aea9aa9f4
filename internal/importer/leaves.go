package importer

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"mock-ec2-metadata/internal/config"
)

// leaves are values of a metadata service by path below the version, such as "meta-data/ami-id".
type leaves map[string]string

// typedLeaves are the leaves that are one key of our configuration each.
func typedLeaves() []struct{ path, key string } {
	return []struct{ path, key string }{
		{"meta-data/ami-id", "ec2.image_id"},
		{"meta-data/hostname", "ec2.hostname"},
		{"meta-data/instance-id", "ec2.instance_id"},
		{"meta-data/instance-life-cycle", "ec2.life_cycle"},
		{"meta-data/instance-type", "ec2.instance_type"},
		{"meta-data/placement/availability-zone", "aws.availability_zone"},
		{"meta-data/placement/availability-zone-id", "aws.availability_zone_id"},
		{"meta-data/placement/group-name", "ec2.placement.group_name"},
		{"meta-data/placement/host-id", "ec2.placement.host_id"},
		{"meta-data/reservation-id", "ec2.reservation_id"},
		{"meta-data/services/domain", "aws.domain"},
		{"meta-data/services/partition", "aws.partition"},
		{"dynamic/fws/instance-monitoring", "ec2.monitoring"},
	}
}

// Paths and directories of the tree. Directories have the slash at their end.
const (
	tagsDir       = "meta-data/tags/instance/"
	devicesDir    = "meta-data/block-device-mapping/"
	keysDir       = "meta-data/public-keys/"
	macsDir       = "meta-data/network/interfaces/macs/"
	rolesDir      = "meta-data/iam/security-credentials/"
	infoLeaf      = "meta-data/iam/info"
	documentLeaf  = "dynamic/instance-identity/document"
	zoneLeaf      = "meta-data/placement/availability-zone"
	scheduledLeaf = "meta-data/events/maintenance/scheduled"
	historyLeaf   = "meta-data/events/maintenance/history"
	userDataLeaf  = "user-data"
)

// fit sets a key to a text if the configuration takes it, and reports whether it did.
func (in *Instance) fit(path, text string) bool {
	if text == "" || looksSecret(text) || !config.Fits(path, text) {
		return false
	}
	in.set(path, text)
	return true
}

// fitInt is fit for a number.
func (in *Instance) fitInt(path, text string) {
	if n, err := strconv.Atoi(text); err == nil && config.Fits(path, text) {
		in.setInt(path, n)
	}
}

// fitList is fit for a list of which each element must be valid.
func (in *Instance) fitList(path string, texts []string) {
	if !slices.ContainsFunc(texts, func(text string) bool { return looksSecret(text) || !config.Fits(path, text) }) {
		in.setList(path, texts)
	}
}

// text returns the text of a key that is set to one.
func (in *Instance) text(path string) string {
	if i := in.index(strings.Split(path, ".")); i >= 0 {
		return in.Keys[i].Value.Value
	}
	return ""
}

// unset takes a key away.
func (in *Instance) unset(path string) {
	parts := strings.Split(path, ".")
	in.Keys = slices.DeleteFunc(in.Keys, func(k Key) bool { return slices.Equal(k.Path, parts) })
}

// typed takes values of a metadata service over as keys, where they fit. keyNames are those of the key pairs, by number.
func (in *Instance) typed(l leaves, keyNames map[int]string) {
	for _, t := range typedLeaves() {
		in.fit(t.key, l[t.path])
	}
	in.fitInt("ec2.ami_launch_index", l["meta-data/ami-launch-index"])
	if !in.has("ec2.hostname") {
		in.fit("ec2.hostname", l["meta-data/local-hostname"])
	}
	in.region(l["meta-data/placement/region"])
	in.fitList("ec2.product_codes", lines(l["meta-data/product-codes"]))
	if n := l["meta-data/placement/partition-number"]; n != "0" && in.has("ec2.placement.group_name") {
		in.fitInt("ec2.placement.partition_number", n)
	}
	for path, name := range below(l, devicesDir) {
		if config.FitsKey("ec2.block_devices", name) && config.Fits("ec2.block_devices", l[path]) {
			in.setAt(l[path], "ec2", "block_devices", name)
		}
	}
	for path, name := range below(l, tagsDir) {
		if config.FitsKey("ec2.tags", name) && config.Fits("ec2.tags", l[path]) && !looksSecret(l[path]) {
			in.setAt(l[path], "ec2", "tags", name)
		}
	}
	in.keyPairs(l, keyNames)
	in.interfaces(l)
}

// region sets the region unless the zone has it. A zone of another region is left out.
func (in *Instance) region(region string) {
	zone := in.text("aws.availability_zone")
	if strings.HasPrefix(zone, region) || !in.fit("aws.region", region) || zone == "" {
		return
	}
	in.unset("aws.availability_zone")
}

// keyPairs takes public keys over, which are numbered from 0 on.
func (in *Instance) keyPairs(l leaves, names map[int]string) {
	for i := 0; ; i++ {
		path := keysDir + strconv.Itoa(i) + "/openssh-key"
		key, name := strings.TrimSpace(l[path]), names[i]
		if key == "" {
			return
		}
		if !config.Fits("ec2.key_pairs.public_key", key) || name != "" && !config.Fits("ec2.key_pairs.name", name) {
			in.note(Lost, path, "not a public key in one line with a name that EC2 takes")
			return
		}
		at := "ec2.key_pairs.[" + strconv.Itoa(i) + "]"
		if name == "" {
			in.set(at+".name", "key-"+strconv.Itoa(i))
			in.guess(path, "the input has no name of the key pair", at+".name")
		} else {
			in.set(at+".name", name)
		}
		in.set(at+".public_key", key)
	}
}

// untyped sets each value as metadata, too. The caller takes away those that typed keys make.
func (in *Instance) untyped(l leaves) {
	in.AllIsMetadata = true
	dirs := listings(l)
	for _, path := range slices.Sorted(maps.Keys(l)) {
		switch {
		case path == userDataLeaf || secretLeaf(path):
		case looksSecret(l[path]):
			in.note(Lost, path, "looks like a secret")
		case dirs[path] != "":
			if strings.TrimSpace(l[path]) != strings.TrimSpace(dirs[path]) {
				in.note(Lost, path, "a value and a directory; it is the directory here")
			}
		case !config.FitsKey("metadata", path):
			in.note(Lost, path, "metadata takes no such path")
		default:
			value := l[path]
			in.setLeaf(path, &value)
		}
	}
}

// listings returns what is in each directory, one name a line.
func listings(l leaves) map[string]string {
	dirs := map[string]string{}
	seen := map[string]bool{}
	for _, path := range slices.Sorted(maps.Keys(l)) {
		for i := strings.LastIndexByte(path, '/'); i > 0 && !seen[path]; i = strings.LastIndexByte(path, '/') {
			seen[path] = true
			dir, name := path[:i], path[i+1:]
			dirs[dir] += name + "\n"
			path = dir
		}
	}
	return dirs
}

// below returns the paths in a directory, sorted, and their ends.
func below(l leaves, dir string) func(yield func(path, name string) bool) {
	return func(yield func(path, name string) bool) {
		for _, path := range slices.Sorted(maps.Keys(l)) {
			if name, ok := strings.CutPrefix(path, dir); ok && !yield(path, name) {
				return
			}
		}
	}
}

// lines splits a value of one entry a line.
func lines(value string) []string {
	var all []string
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}
