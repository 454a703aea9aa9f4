package config

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// JSON encodes a block of an event or a fault, or a pointer to it, in the words of the configuration. Keys come in the order of the
// struct, what is not set is left out, and durations are short ("2m"). Equal blocks give equal bytes, and ParseEvent and ParseFault of
// the bytes give equal blocks. The id is left out. Secrets are revealed, because the control socket that carries the text is private:
// it must not be logged.
func JSON(block any) json.RawMessage {
	var out bytes.Buffer
	encodeBlock(&out, reflect.Indirect(reflect.ValueOf(block)))
	return out.Bytes()
}

// encodeBlock writes a block of keys as a JSON object.
func encodeBlock(out *bytes.Buffer, v reflect.Value) {
	start := out.Len()
	for _, f := range fieldsOf(v.Type()) {
		value := v.FieldByIndex(f.index)
		if f.key == "id" || isUnset(value, f.tag) {
			continue
		}
		if out.Len() == start {
			out.WriteByte('{')
		} else {
			out.WriteByte(',')
		}
		encodeText(out, f.key)
		out.WriteByte(':')
		encodeValue(out, value, f.tag)
	}
	if out.Len() == start {
		out.WriteByte('{')
	}
	out.WriteByte('}')
}

// isUnset reports whether a value is that of a key that no source has set.
func isUnset(v reflect.Value, tag reflect.StructTag) bool {
	switch v.Kind() {
	case reflect.Slice:
		return v.Len() == 0 && (v.IsNil() || tag.Get("empty") == "")
	case reflect.Map:
		return v.Len() == 0
	case reflect.Struct:
		for _, f := range fieldsOf(v.Type()) {
			if !isUnset(v.FieldByIndex(f.index), f.tag) {
				return false
			}
		}
		return true
	default:
		return v.IsZero()
	}
}

func encodeValue(out *bytes.Buffer, v reflect.Value, tag reflect.StructTag) {
	switch v.Kind() {
	case reflect.Pointer:
		encodeValue(out, v.Elem(), tag)
	case reflect.Struct:
		encodeBlock(out, v)
	case reflect.Slice:
		out.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				out.WriteByte(',')
			}
			encodeValue(out, v.Index(i), tag)
		}
		out.WriteByte(']')
	case reflect.Map:
		texts := v.Interface().(map[string]string)
		out.WriteByte('{')
		for i, key := range slices.Sorted(maps.Keys(texts)) {
			if i > 0 {
				out.WriteByte(',')
			}
			encodeText(out, key)
			out.WriteByte(':')
			encodeText(out, texts[key])
		}
		out.WriteByte('}')
	case reflect.Int64:
		encodeText(out, shortDuration(time.Duration(v.Int())))
	case reflect.Int:
		out.WriteString(strconv.FormatInt(v.Int(), 10))
	case reflect.Bool:
		out.WriteString(strconv.FormatBool(v.Bool()))
	default:
		if text := v.String(); text == tag.Get("bare") { // true, or a number
			out.WriteString(text)
		} else {
			encodeText(out, text)
		}
	}
}

// encodeText writes a JSON text. Unlike json.Marshal it leaves <, > and & alone.
func encodeText(out *bytes.Buffer, text string) {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	_ = e.Encode(text)          // texts always encode
	out.Truncate(out.Len() - 1) // the line feed
}
