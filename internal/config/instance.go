package config

import (
	"fmt"
	"maps"
	"slices"
)

const (
	// usualTags is how many tags EC2 allows (EC2 user guide, "Tag restrictions"); maxTags is enough for any test.
	usualTags = 50
	maxTags   = 10_000
)

// validateInstance holds the rules of ec2 that more than one value takes part in, but for those of the network.
func (l *loader) validateInstance() {
	c := l.config.EC2
	l.validateHopLimit(c.MetadataOptions.HTTPPutResponseHopLimit)
	const group, partition = "ec2.placement.group_name", "ec2.placement.partition_number"
	if c.Placement.PartitionNumber > 0 && c.Placement.GroupName == "" && l.comparable(group, partition) {
		l.wrong(partition, "needs %s: only placement groups have partitions", group)
	}
	l.validateTags(c.Tags, c.MetadataOptions.InstanceMetadataTags == "enabled")
	l.validateKeyPairs(c.KeyPairs)
	l.validateUserData()
}

// noHopLimit is the hop limit that every machine can set.
const noHopLimit = 64

func (l *loader) validateHopLimit(n int) {
	const path = "ec2.metadata_options.http_put_response_hop_limit"
	if n != noHopLimit && l.goos != "linux" && !l.broken[path] {
		l.wrong(path, "%d needs Linux, and this is %s; leave it at %d, no limit", n, l.goos, noHopLimit)
	}
}

// validateTags wants as many as can be, with keys that the metadata can hold if they are to be there.
func (l *loader) validateTags(tags map[string]string, inMetadata bool) {
	const path = "ec2.tags"
	switch n := len(tags); {
	case n > maxTags:
		l.wrong(path, "%d tags; at most %d", n, maxTags)
		return
	case n > usualTags:
		l.warnings.add(l.origin(path), path, "%d tags; EC2 takes at most %d", n, usualTags)
	}
	if !inMetadata {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		if wrong := metadataTag(key); wrong != "" {
			l.wrong(join(path, key), "%s", wrong)
		}
	}
}

// validateKeyPairs wants each to be whole, and to have its own name.
func (l *loader) validateKeyPairs(pairs []KeyPair) {
	first := unique{}
	for i, pair := range pairs {
		path := fmt.Sprintf("ec2.key_pairs[%d]", i)
		for _, key := range []string{"name", "public_key"} {
			if full := join(path, key); !l.isSet(full) && !l.broken[path] {
				l.wrong(full, "is missing")
			}
		}
		l.only(first, pair.Name, join(path, "name"), l.origin(join(path, "name")))
	}
}

// unique has which key has a value that no other may have.
type unique map[string]string

// only reports a value that another key has.
func (l *loader) only(first unique, value, path string, at origin) {
	switch {
	case value == "" || l.broken[path]:
	case first[value] != "":
		l.problems.add(at, path, "%s is that of %s too", oneLine(value), first[value])
	default:
		first[value] = path
	}
}
