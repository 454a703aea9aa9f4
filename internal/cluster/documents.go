package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"gopkg.in/yaml.v3"
)

// document is one object of a manifest.
type document struct {
	kind, namespace, name string
	text                  []byte
}

// documents splits a manifest into its objects.
func documents(manifest []byte) ([]document, error) {
	var all []document
	decoder := yaml.NewDecoder(bytes.NewReader(manifest))
	for {
		var n yaml.Node
		err := decoder.Decode(&n)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("manifest: %w", err)
		}
		var head struct {
			Kind     string `yaml:"kind"`
			Metadata struct {
				Name      string `yaml:"name"`
				Namespace string `yaml:"namespace"`
			} `yaml:"metadata"`
		}
		if err := n.Decode(&head); err != nil {
			return nil, fmt.Errorf("manifest: %w", err)
		}
		if head.Kind == "" {
			continue // a comment alone
		}
		text, err := yaml.Marshal(&n)
		if err != nil {
			return nil, fmt.Errorf("manifest: %w", err)
		}
		all = append(all, document{kind: head.Kind, namespace: head.Metadata.Namespace, name: head.Metadata.Name, text: text})
	}
}

// join makes one manifest of the documents that keep says.
func join(all []document, keep func(document) bool) []byte {
	var out bytes.Buffer
	for _, d := range all {
		if keep(d) {
			out.WriteString("---\n")
			out.Write(d.text)
		}
	}
	return out.Bytes()
}

// public is a manifest for people: without what Secrets hold.
func public(all []document) []byte {
	shown := slices.Clone(all)
	for i, d := range shown {
		if d.kind == "Secret" {
			shown[i].text = fmt.Appendf(nil, "# Secret %s/%s: its content is not shown\n", d.namespace, d.name)
		}
	}
	return join(shown, func(document) bool { return true })
}
