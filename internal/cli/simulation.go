package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/control"
)

// withClient runs what a command does with the daemon. An unreachable daemon gets its exit code.
func withClient(f *flags, do func(cmd *cobra.Command, client *control.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		client, err := controlClient(cmd, f)
		if err != nil {
			return err
		}
		err = do(cmd, client, args)
		if errors.Is(err, context.Canceled) {
			return errors.New("interrupted")
		}
		return controlError(err)
	}
}

// refusedWith reports whether the daemon has answered with an HTTP status.
func refusedWith(err error, status int) bool {
	refusal, ok := errors.AsType[*api.Refusal](err)
	return ok && refusal.Status == status
}

// unknown names what the daemon does not have. list is the command that shows what it has.
func unknown(err error, what, id, list string) error {
	if refusedWith(err, http.StatusNotFound) {
		return fmt.Errorf("there is no %s %s; %s shows all", what, id, list)
	}
	return err
}

// jsonFlag adds --json.
func jsonFlag(cmd *cobra.Command, asJSON *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print the JSON document of the control API")
}

// printJSON prints a document as the control API does.
func printJSON(out io.Writer, document any) error {
	text, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", text)
	return err
}

// newTable has columns that are two spaces apart.
func newTable(out io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(out, 0, 0, 2, ' ', 0) }

// cell is a text in a table, safe for a terminal: control characters are escaped. An empty one is "-".
func cell(text string) string {
	if text == "" {
		return "-"
	}
	var safe strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			safe.WriteRune(r)
		} else {
			quoted := strconv.QuoteRuneToASCII(r)
			safe.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return safe.String()
}

// row writes a line of a table.
func row(out io.Writer, cells ...string) {
	for i, text := range cells {
		cells[i] = cell(text)
	}
	fmt.Fprintln(out, strings.Join(cells, "\t"))
}

// clock is a time as the commands print it; "-" for none.
func clock(at *time.Time) string {
	if at == nil || at.IsZero() {
		return "-"
	}
	return at.UTC().Format(time.RFC3339)
}

// objectWords is a flat JSON object in words, in its own order: {"delay": "1s", "hang": true} is "delay 1s, hang". It is "" if the object
// is empty.
func objectWords(object json.RawMessage) string {
	d := json.NewDecoder(bytes.NewReader(object))
	d.UseNumber()
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return ""
	}
	var all []string
	for d.More() {
		key, err := d.Token()
		if err != nil {
			break
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			break
		}
		if key == "user_data" { // it may hold secrets
			value = json.RawMessage(`"[redacted]"`)
		}
		all = append(all, strings.TrimSpace(fmt.Sprintf("%v %s", key, valueWords(value))))
	}
	return strings.Join(all, ", ")
}

// valueWords is a JSON value in words: "" for true.
func valueWords(value json.RawMessage) string {
	var parsed any
	if err := json.Unmarshal(value, &parsed); err != nil {
		return ""
	}
	switch v := parsed.(type) {
	case bool:
		if v {
			return ""
		}
		return "no"
	case string:
		return v
	case map[string]any:
		return strings.ReplaceAll(objectWords(value), ",", "")
	case []any:
		var items []string
		for _, item := range v {
			items = append(items, fmt.Sprint(item))
		}
		return strings.Join(items, ",")
	default:
		return string(value)
	}
}
