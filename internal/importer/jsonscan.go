package importer

import (
	"bytes"
	"encoding/json"
	"iter"
	"slices"
	"strings"
)

// The functions below read valid JSON without copies of it: an import has up to 256 MiB.

// skipSpace returns the place of the next byte that is no white space.
func skipSpace(data []byte, at int) int {
	for at < len(data) && (data[at] == ' ' || data[at] == '\n' || data[at] == '\t' || data[at] == '\r') {
		at++
	}
	return at
}

// skipText returns the place behind the text that begins at a quote.
func skipText(data []byte, at int) int {
	for at++; at < len(data) && data[at] != '"'; at++ {
		if data[at] == '\\' {
			at++
		}
	}
	return min(at+1, len(data))
}

// skipValue returns the place behind a value.
func skipValue(data []byte, at int) int {
	depth := 0
	for at < len(data) {
		switch data[at] {
		case '"':
			at = skipText(data, at)
			if depth == 0 {
				return at
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth <= 0 {
				return at + max(1+depth, 0) // a number or a word ends before the bracket of what it is in
			}
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return at
			}
		}
		at++
	}
	return at
}

// eachField calls a function with each field of an object.
func eachField(data []byte, field func(key string, value json.RawMessage)) error {
	data = bytes.TrimSpace(data)
	for at := skipSpace(data, 1); at < len(data) && data[at] == '"'; {
		end := skipText(data, at)
		key := string(data[at+1 : end-1])
		if strings.Contains(key, `\`) {
			if err := json.Unmarshal(data[at:end], &key); err != nil {
				return err
			}
		}
		start := skipSpace(data, skipSpace(data, end)+1)
		end = skipValue(data, start)
		field(key, data[start:end])
		at = skipSpace(data, end)
		if at < len(data) && data[at] == ',' {
			at = skipSpace(data, at+1)
		}
	}
	return nil
}

// fieldsOf returns the keys of an object; none of another value.
func fieldsOf(data []byte) map[string]bool {
	data = bytes.TrimSpace(data)
	if len(data) == 0 || data[0] != '{' {
		return nil
	}
	keys := map[string]bool{}
	_ = eachField(data, func(key string, _ json.RawMessage) { keys[key] = true }) // the JSON is valid
	return keys
}

// elements are those of a list.
func elements(data []byte) iter.Seq[json.RawMessage] {
	data = bytes.TrimSpace(data)
	return func(yield func(json.RawMessage) bool) {
		for at := skipSpace(data, 1); at < len(data) && data[at] != ']'; {
			end := skipValue(data, at)
			if !yield(data[at:end]) {
				return
			}
			at = skipSpace(data, end)
			if at < len(data) && data[at] == ',' {
				at = skipSpace(data, at+1)
			}
		}
	}
}

// manyKeys is how many keys of an object are compared one by one.
const manyKeys = 32

// repeatedKey returns the place behind the first key that an object has twice, or -1.
func repeatedKey(data []byte) int {
	var keys [][]byte // of all that is open, in order
	type level struct {
		first int             // of its keys
		set   map[string]bool // of the keys, if they are many
	}
	var open []level
	for at := 0; at < len(data); at++ {
		switch data[at] {
		case '{', '[':
			open = append(open, level{first: len(keys)})
		case '}', ']':
			keys, open = keys[:open[len(open)-1].first], open[:len(open)-1]
		case '"':
			end := skipText(data, at)
			key := data[at+1 : end-1]
			at = end - 1
			if next := skipSpace(data, end); next == len(data) || data[next] != ':' {
				continue
			}
			in := &open[len(open)-1]
			if in.set[string(key)] || in.set == nil && slices.ContainsFunc(keys[in.first:], func(other []byte) bool { return bytes.Equal(other, key) }) {
				return end
			}
			keys = append(keys, key)
			switch own := keys[in.first:]; {
			case in.set != nil:
				in.set[string(key)] = true
			case len(own) == manyKeys:
				in.set = map[string]bool{}
				for _, key := range own {
					in.set[string(key)] = true
				}
			}
		}
	}
	return -1
}

// fieldNames adds the names of all fields of a document.
func fieldNames(data []byte, names map[string]bool) {
	for at := 0; at < len(data); at++ {
		if data[at] != '"' {
			continue
		}
		end := skipText(data, at)
		name := data[at+1 : max(end-1, at+1)]
		at = end - 1
		if next := skipSpace(data, end); next < len(data) && data[next] == ':' && !names[string(name)] {
			names[string(name)] = true
		}
	}
}
