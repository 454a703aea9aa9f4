package api

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Format implements fmt.Formatter for all verbs: the URL has the code.
func (ConsoleURL) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (ConsoleURL) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format implements fmt.Formatter for all verbs.
func (ConsoleCode) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (ConsoleCode) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format implements fmt.Formatter for all verbs.
func (ConsoleSession) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (ConsoleSession) LogValue() slog.Value { return slog.StringValue(redacted) }
