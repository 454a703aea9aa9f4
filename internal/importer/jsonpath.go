package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// decode decodes a value of the document, whose place is at. The error names the place of a value of the wrong type, and not the value.
func (d *document) decode(value json.RawMessage, at string, v any) error {
	err := json.Unmarshal(value, v)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return d.fail("%s: want %s, but this is %s", strings.TrimPrefix(at+"."+jsonPath(value, wrong.Offset), "."), jsonName(wrong.Type.Kind().String()), article(wrong))
	}
	if err != nil {
		return d.fail("%w", err)
	}
	return nil
}

const wholeNumber = "a whole number"

// jsonName names a Go type in the words of JSON.
func jsonName(kind string) string {
	switch {
	case kind == "string":
		return "a text"
	case kind == "slice":
		return "a list"
	case kind == "struct" || kind == "map" || kind == "ptr":
		return "an object"
	case strings.HasPrefix(kind, "int"):
		return wholeNumber
	default:
		return "true or false"
	}
}

// article names what a value is, without the value.
func article(wrong *json.UnmarshalTypeError) string {
	switch word, _, _ := strings.Cut(wrong.Value, " "); word {
	case "string":
		return "a text"
	case "array":
		return "a list"
	case "object":
		return "an object"
	case "bool":
		return "true or false"
	default:
		if jsonName(wrong.Type.Kind().String()) == wholeNumber {
			return "a number with a fraction, an exponent or too many digits"
		}
		return "a number"
	}
}

// jsonPath returns the place of the value at an offset of valid JSON: Reservations[0].Instances[2].Tags.
func jsonPath(data []byte, offset int64) string {
	type level struct {
		list, key bool // key: the next token is a key
		name      string
		n         int
	}
	var levels []level
	place := func() string {
		var b strings.Builder
		for _, l := range levels {
			if l.list {
				fmt.Fprintf(&b, "[%d]", l.n)
			} else {
				b.WriteString("." + l.name)
			}
		}
		return strings.TrimPrefix(b.String(), ".")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	for {
		token, err := decoder.Token()
		if err != nil {
			return place()
		}
		last := len(levels) - 1
		if last >= 0 && levels[last].key {
			if text, ok := token.(string); ok {
				levels[last].name, levels[last].key = text, false
				continue
			}
		}
		if decoder.InputOffset() >= offset {
			return place()
		}
		switch token {
		case json.Delim('{'):
			levels = append(levels, level{key: true})
			continue
		case json.Delim('['):
			levels = append(levels, level{list: true})
			continue
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:last]
		}
		if last = len(levels) - 1; last >= 0 { // the value is complete
			levels[last].n++
			levels[last].key = !levels[last].list
		}
	}
}
