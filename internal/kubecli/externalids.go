package kubecli

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"

	"gopkg.in/yaml.v3"

	"mock-ec2-metadata/internal/config"
)

// annotationNames is the key whose value names annotations, and is no external id.
const annotationNames = "kubernetes.annotations.external_id"

// withoutExternalIDs replaces external ids by digests: a ConfigMap is no place for them, and the laptop, which needs them, has its own
// copy. Roles that differ in nothing else stay apart. The digests are no external ids that an annotation may give.
func withoutExternalIDs(text []byte) ([]byte, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	ids := externalIDs(&document, "")
	if len(ids) == 0 {
		return text, nil
	}
	digests := make([]string, len(ids)) // first all, since an alias has its text from another node
	for i, id := range ids {
		sum := sha256.Sum256([]byte(textOf(id)))
		digests[i] = config.KeptExternalID + hex.EncodeToString(sum[:8])
	}
	for i, id := range ids {
		anchor := id.Anchor
		if id.Kind == yaml.AliasNode {
			anchor = ""
		}
		*id = yaml.Node{
			Kind: yaml.ScalarNode, Tag: "!!str", Value: digests[i], Anchor: anchor,
			HeadComment: id.HeadComment, LineComment: id.LineComment, FootComment: id.FootComment,
		}
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(&document), enc.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// externalIDs returns the nodes of external ids below the value of a key.
func externalIDs(n *yaml.Node, path string) []*yaml.Node {
	var all []*yaml.Node
	if n.Kind != yaml.MappingNode {
		for _, child := range n.Content {
			all = append(all, externalIDs(child, path)...)
		}
		return all
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		value := n.Content[i+1]
		below := strings.TrimPrefix(path+"."+n.Content[i].Value, ".")
		if isExternalID(below) && textOf(value) != "" {
			all = append(all, value)
			continue
		}
		all = append(all, externalIDs(value, below)...)
	}
	return all
}

// textOf is the text of a scalar, or of the one that an alias names; "" for a mapping or a list.
func textOf(n *yaml.Node) string {
	if n.Kind == yaml.AliasNode {
		return n.Alias.Value
	}
	return n.Value
}

func isExternalID(path string) bool {
	key := path[strings.LastIndexByte(path, '.')+1:]
	return (key == "external_id" || key == "target_external_id") && path != annotationNames
}

// hasExternalID reports whether a key that --set sets is an external id, or has one in its value.
func hasExternalID(path, value string) bool {
	if isExternalID(path) {
		return true
	}
	var document yaml.Node
	return yaml.Unmarshal([]byte(value), &document) == nil && len(externalIDs(&document, path)) > 0
}
