package podrole

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// defaultName is Kubernetes' namespace and service account of what names none.
const defaultName = "default"

// object is a block of a manifest.
type object struct {
	where   string // the document, for errors
	path    string // of the block in the document
	content any    // as the parser has made it; nil for a block that is missing
}

// metadata is what the metadata of an object says.
type metadata struct {
	namespace, name, uid string
	annotations          map[string]string
}

// field names a field in errors.
func (o object) field(key string) string {
	if o.path != "" {
		key = o.path + "." + key
	}
	return o.where + ": " + key
}

// value returns the value of a key, nil without one.
func (o object) value(key string) (any, error) {
	switch block := o.content.(type) {
	case nil:
		return nil, nil //nolint:nilnil // nothing is there
	case map[string]any:
		return block[key], nil
	default:
		at := o.where
		if o.path != "" {
			at += ": " + o.path
		}
		return nil, fmt.Errorf("%s: want a block of keys, but this is %s", at, kindOf(o.content))
	}
}

// below returns a block further down.
func (o object) below(keys ...string) (object, error) {
	for _, key := range keys {
		content, err := o.value(key)
		if err != nil {
			return o, err
		}
		path := key
		if o.path != "" {
			path = o.path + "." + key
		}
		o = object{where: o.where, path: path, content: content}
	}
	return o, nil
}

// text returns the text of the first of some keys that has one.
func (o object) text(keys ...string) (string, error) {
	for _, key := range keys {
		value, err := o.value(key)
		if err != nil {
			return "", err
		}
		text, ok := value.(string)
		switch {
		case value == nil:
		case !ok:
			return "", fmt.Errorf("%s: want a text, but this is %s", o.field(key), kindOf(value))
		case text != "":
			return text, nil
		}
	}
	return "", nil
}

// metadata reads the block metadata.
func (o object) metadata() (m metadata, err error) {
	block, err := o.below("metadata")
	if err != nil {
		return m, err
	}
	if m.namespace, err = block.text("namespace"); err != nil {
		return m, err
	}
	if m.namespace == "" {
		m.namespace = defaultName
	}
	if m.name, err = block.text("name", "generateName"); err != nil {
		return m, err
	}
	if m.uid, err = block.text("uid"); err != nil {
		return m, err
	}
	annotations, err := block.below("annotations")
	if err != nil || annotations.content == nil {
		return m, err
	}
	all, ok := annotations.content.(map[string]any)
	if !ok {
		_, err = annotations.value("")
		return m, err
	}
	m.annotations = make(map[string]string, len(all))
	for _, key := range slices.Sorted(maps.Keys(all)) {
		value, ok := all[key].(string)
		if !ok && all[key] != nil {
			return m, fmt.Errorf("%s: want a text, but this is %s; put it in quotes", annotations.field(key), kindOf(all[key]))
		}
		m.annotations[key] = value
	}
	return m, nil
}

// kindOf names the kind of a value in errors.
func kindOf(value any) string {
	switch value.(type) {
	case string:
		return "a text"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case map[string]any:
		return "a block of keys"
	case nil:
		return "nothing"
	default:
		if strings.HasPrefix(fmt.Sprintf("%T", value), "map[") {
			return "a block with keys that are no texts"
		}
		return "a number or a date"
	}
}
