package config

import (
	"fmt"
	"maps"
	"slices"
)

// usualTags is the number of tags that EC2 allows (EC2 user guide, "Tag restrictions").
const usualTags = 50

// validateInstance checks values of ec2 against each other, except for the network, which package instance checks.
func (l *loader) validateInstance() {
	c := l.config.EC2
	const hops = "ec2.metadata_options.http_put_response_hop_limit"
	if n := c.MetadataOptions.HTTPPutResponseHopLimit; n != noHopLimit && l.goos != "linux" && !l.scope.broken[hops] {
		l.wrong(hops, "%d needs Linux, and this is %s; leave it at %d, no limit", n, l.goos, noHopLimit)
	}
	const group, partition = "ec2.placement.group_name", "ec2.placement.partition_number"
	if c.Placement.PartitionNumber > 0 && c.Placement.GroupName == "" && !l.scope.broken[group] && !l.scope.broken[partition] {
		l.wrong(partition, "needs %s: only placement groups have partitions", group)
	}
	l.validateTags(c.Tags, c.MetadataOptions.InstanceMetadataTags == "enabled")
	l.validateKeyPairs(c.KeyPairs)
	l.exclusive("ec2.user_data", userDataFile, "ec2.user_data_base64")
}

// noHopLimit is the hop limit that needs no support by the operating system.
const noHopLimit = 64

// validateTags checks the number of tags and, if the metadata serves tags, their keys.
func (l *loader) validateTags(tags map[string]string, inMetadata bool) {
	const path = "ec2.tags"
	if n := len(tags); n > usualTags {
		l.odd(path, "%d tags; EC2 takes at most %d", n, usualTags)
	}
	if !inMetadata || l.scope.broken[path] {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		if wrong := metadataTag(key); wrong != "" {
			l.wrong(join(path, key), "%s", wrong)
		}
	}
}

// validateKeyPairs requires that each pair is complete and has a name of its own.
func (l *loader) validateKeyPairs(pairs []KeyPair) {
	first := map[string]string{} // key of each name
	for i, pair := range pairs {
		path := fmt.Sprintf("ec2.key_pairs[%d]", i)
		for _, key := range []string{"name", "public_key"} {
			if full := join(path, key); !l.isSet(full) && !l.scope.broken[path] {
				l.wrong(full, "is missing")
			}
		}
		name := join(path, "name")
		switch {
		case pair.Name == "" || l.scope.broken[name]:
		case first[pair.Name] != "":
			l.wrong(name, "%s is that of %s too", pair.Name, first[pair.Name])
		default:
			first[pair.Name] = name
		}
	}
}
