package config

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// redacted stands in for a secret wherever one could be printed.
const redacted = "[redacted]"

// Secret is a value that must not end up in a log, an error or the output of a command. Every way of printing it gives
// "[redacted]", or nothing when it is empty; Reveal is the one way to the value. Package fmt cannot call the
// methods of a value in an unexported field: a struct that gets printed must hold it in an exported one.
type Secret string

// Reveal gives the value itself.
func (s Secret) Reveal() string { return string(s) }

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Format implements fmt.Formatter, because verbs such as %x and %#v would go past String.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// MarshalYAML implements yaml.Marshaler.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }
