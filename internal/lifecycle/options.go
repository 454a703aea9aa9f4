package lifecycle

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"mock-ec2-metadata/internal/config"
)

const tagsDir = "meta-data/tags/instance"

func tagsEnabled(in *config.Instance) bool {
	return in.EC2.MetadataOptions.InstanceMetadataTags == "enabled"
}

// tags sets and removes tags of the instance. What is removed need not be there, as in EC2.
func (p *patch) tags(change *config.EventTags) error {
	tags := maps.Clone(p.in.EC2.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	for _, key := range change.Unset {
		delete(tags, key)
	}
	maps.Copy(tags, change.Set)
	if tagsEnabled(&p.in) {
		if err := p.checkTags("tags.set", tags); err != nil {
			return err
		}
	}
	p.in.EC2.Tags = tags
	return nil
}

// checkTags refuses tags that instance metadata cannot show.
func (p *patch) checkTags(field string, tags map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		if !isMetadataTag(key) {
			return wrong(field, "%q is not a key that instance metadata can hold; it has letters, digits and +=.,_:@-", key)
		}
	}
	if len(tags) == 0 {
		return nil
	}
	for _, dir := range []string{"meta-data", "meta-data/tags", tagsDir} {
		if p.in.Metadata[dir] != nil {
			return inTheWay(field, "nothing can be below %s, which has a value; unset that first", dir)
		}
	}
	for path := range p.in.Metadata {
		below, ok := strings.CutPrefix(path, tagsDir+"/")
		key, _, deeper := strings.Cut(below, "/")
		if _, tagged := tags[key]; ok && deeper && tagged && p.in.Metadata[path] != nil {
			return inTheWay(field, "%s is below the tag %s; unset that first", path, key)
		}
	}
	return nil
}

// isMetadataTag reports whether instance metadata can show the key of a tag (EC2 user guide, "View tags for your EC2 instances using
// instance metadata").
func isMetadataTag(key string) bool {
	odd := func(r rune) bool {
		letter := r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune("+=.,_:@-", r)
	}
	return key != "" && key != "." && key != ".." && key != "_index" && !strings.ContainsFunc(key, odd)
}

// options changes metadata options; what is empty stays.
func (p *patch) options(change *config.EventOptions) error {
	options := p.in.EC2.MetadataOptions
	options.HTTPTokens = cmp.Or(change.HTTPTokens, options.HTTPTokens)
	options.HTTPEndpoint = cmp.Or(change.HTTPEndpoint, options.HTTPEndpoint)
	options.HTTPPutResponseHopLimit = cmp.Or(change.HTTPPutResponseHopLimit, options.HTTPPutResponseHopLimit)
	options.InstanceMetadataTags = cmp.Or(change.InstanceMetadataTags, options.InstanceMetadataTags)
	if options.InstanceMetadataTags == "enabled" && !tagsEnabled(&p.in) {
		if err := p.checkTags("options.instance_metadata_tags", p.in.EC2.Tags); err != nil {
			return err
		}
	}
	p.in.EC2.MetadataOptions = options
	return nil
}
