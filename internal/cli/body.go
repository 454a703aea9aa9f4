package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// body is the JSON object of an event or a fault. Flags and arguments fill it; the daemon knows what it must not hold.
type body map[string]any

// put sets a key; "match.paths" is a key of the object match.
func (b body) put(key string, value any) {
	if outer, inner, nested := strings.Cut(key, "."); nested {
		sub, ok := b[outer].(body)
		if !ok {
			sub = body{}
			b[outer] = sub
		}
		sub.put(inner, value)
		return
	}
	b[key] = value
}

// has reports whether a key of put is set.
func (b body) has(key string) bool {
	if outer, inner, nested := strings.Cut(key, "."); nested {
		sub, ok := b[outer].(body)
		return ok && sub.has(inner)
	}
	_, ok := b[key]
	return ok
}

// bodyFlag is a flag that sets a key of a body. It implements pflag.Value.
type bodyFlag struct {
	parse func(string) (any, error)
	store func(any)
	text  string
	// alone is set for a flag without a value.
	alone bool
}

func (v *bodyFlag) String() string { return v.text }

// Type is what the help calls a value that the usage text does not name. The help of a "bool" shows no value.
func (v *bodyFlag) Type() string {
	if v.alone {
		return "bool"
	}
	return "value"
}

// Set parses and stores a value.
func (v *bodyFlag) Set(text string) error {
	value, err := v.parse(text)
	if err != nil {
		return err
	}
	v.store(value)
	v.text = text
	return nil
}

// flag adds a flag that sets a key.
func (b body) flag(cmd *cobra.Command, name, key string, parse func(string) (any, error), usage string) {
	cmd.Flags().Var(&bodyFlag{parse: parse, store: func(v any) { b.put(key, v) }}, name, usage)
}

// list adds a repeatable flag that appends to a list.
func (b body) list(cmd *cobra.Command, name, key, usage string) {
	var all []string
	cmd.Flags().Var(&bodyFlag{parse: parseText, store: func(v any) {
		all = append(all, v.(string)) //nolint:forcetypeassert // parseText returns no other
		b.put(key, all)
	}}, name, usage)
}

// yes adds a flag without a value, which sets a key to true.
func (b body) yes(cmd *cobra.Command, name, key, usage string) {
	parse := func(text string) (any, error) {
		value, err := strconv.ParseBool(text)
		if err != nil {
			return nil, errors.New("leave out the value")
		}
		return value, nil
	}
	store := func(v any) {
		if v == true {
			b.put(key, v)
		}
	}
	cmd.Flags().VarPF(&bodyFlag{parse: parse, store: store, alone: true}, name, "", usage).NoOptDefVal = "true"
}

// words adds a flag that takes one of some words, and completes them.
func (b body) words(cmd *cobra.Command, name, key string, words []string, usage string) {
	b.flag(cmd, name, key, func(text string) (any, error) {
		if !slices.Contains(words, text) {
			return nil, errors.New("write one of " + strings.Join(words, ", "))
		}
		return text, nil
	}, usage)
	completeFlag(cmd, name, words)
}

func parseText(text string) (any, error) {
	if text == "" {
		return nil, errors.New("write a value, or leave out the flag")
	}
	return text, nil
}

// parseDuration takes durations from 0, and returns their text.
func parseDuration(text string) (any, error) {
	if d, err := time.ParseDuration(text); err != nil || d < 0 {
		return nil, errors.New("write a duration such as 30s, 5m or 1h30m")
	}
	return text, nil
}

// parseShift takes durations of both signs.
func parseShift(text string) (any, error) {
	if _, err := time.ParseDuration(text); err != nil {
		return nil, errors.New("write a duration such as 5m or -5m")
	}
	return text, nil
}

// parseTime returns the time in UTC, so that the same moment is always the same text.
func parseTime(text string) (any, error) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, errors.New("write a time of RFC 3339 such as 2026-12-01T02:00:00Z")
	}
	return at.UTC().Format(time.RFC3339Nano), nil
}

// parseCount returns a parser of whole numbers from least on.
func parseCount(least int) func(string) (any, error) {
	return func(text string) (any, error) {
		n, err := strconv.Atoi(text)
		if err != nil || n < least {
			return nil, fmt.Errorf("write a whole number from %d", least)
		}
		return n, nil
	}
}

// parseInteger takes whole numbers of both signs.
func parseInteger(text string) (any, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return nil, errors.New("write a whole number")
	}
	return n, nil
}

// parseAfterRequests takes N or N:PATTERN.
func parseAfterRequests(text string) (any, error) {
	count, path, limited := strings.Cut(text, ":")
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || limited && path == "" {
		return nil, errors.New("write a number of requests from 1, and a path pattern if only those count, such as 3 or 3:meta-data/spot/**")
	}
	after := body{"count": n}
	if limited {
		after["path"] = path
	}
	return after, nil
}

// parseThrottle takes RATE or RATE:BURST. Without BURST it is as large as RATE.
func parseThrottle(text string) (any, error) {
	rate, burst, limited := strings.Cut(text, ":")
	if !limited {
		burst = rate
	}
	n, err := strconv.Atoi(rate)
	most, bad := strconv.Atoi(burst)
	if err != nil || bad != nil || n < 1 || most < 1 {
		return nil, errors.New("write requests a second, and how many may come at once, such as 5 or 5:10")
	}
	return body{"rate": n, "burst": most}, nil
}

// parseThrottleAnswer takes the status that there is, and drop.
func parseThrottleAnswer(text string) (any, error) {
	switch text {
	case "503":
		return 503, nil
	case "drop":
		return text, nil
	default:
		return nil, errors.New("write 503 or drop")
	}
}
