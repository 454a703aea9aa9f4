package importer

import (
	"encoding/json"
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"
)

// isOwnKey reports whether a top-level key is of our own configuration, or of the service that it comes from, whose files work unchanged.
func isOwnKey(key string) bool { return slices.Contains([]string{"credentials", "aws", "ec2"}, key) }

// readOwn takes a configuration over as it is.
func readOwn(r *reading) error {
	for _, d := range r.docs {
		value, err := d.value()
		if err != nil {
			return err
		}
		top, ok := value.(map[string]any)
		if !ok || len(r.docs) > 1 {
			return d.fail("a configuration of mock-ec2-metadata is imported alone; it works unchanged: serve --config %s", d.name)
		}
		in := &Instance{}
		in.own(nil, top)
		in.note(Hint, d.name, "it is a configuration already, and works unchanged: serve --config FILE")
		r.Instances = append(r.Instances, in)
	}
	return nil
}

// own sets all keys of a block.
func (in *Instance) own(path []string, block map[string]any) {
	for _, key := range keysSorted(block) {
		at := append(slices.Clone(path), key)
		if below, ok := block[key].(map[string]any); ok && len(below) > 0 && len(path) < 2 {
			in.own(at, below)
			continue
		}
		in.setNode(nodeOf(block[key]), at...)
		in.keep(at...)
	}
}

// nodeOf returns a value as a node. Numbers keep their digits.
func nodeOf(value any) *yaml.Node {
	switch v := value.(type) {
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle}
		for _, e := range v {
			n.Content = append(n.Content, nodeOf(e))
		}
		return n
	case map[string]any:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Style: yaml.FlowStyle}
		for _, key := range keysSorted(v) {
			n.Content = append(n.Content, textNode(key), nodeOf(v[key]))
		}
		return n
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: v.String()}
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v)}
	case string:
		return textNode(v)
	default:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	}
}
