package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/control"
)

// requestFlags are those of the command requests.
type requestFlags struct {
	follow, json bool
	since        int64
	path         string
}

func newRequests(f *flags) *cobra.Command {
	var r requestFlags
	cmd := &cobra.Command{
		Use:   "requests",
		Short: "Print the last requests of the metadata service",
		Long: `requests prints which requests the metadata service has handled, the last 1,000, oldest first: who asked for what, the status and the
bytes of the answer, and which fault changed it. A status of - means that no answer was sent. Tokens, headers and bodies are not kept.

  mock-ec2-metadata requests --path api/token --json | jq '.requests | length'
  mock-ec2-metadata requests --follow

--follow goes on with new requests until SIGINT (Ctrl-C). With --json it prints one JSON object a line.`,
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: withClient(f, func(cmd *cobra.Command, client *control.Client, _ []string) error {
			if r.follow {
				return followRequests(cmd, client, &r)
			}
			requests, err := client.Requests(cmd.Context(), r.since, r.path, 0)
			if err != nil {
				return err
			}
			if r.json {
				return printJSON(cmd.OutOrStdout(), api.Requests{Requests: requests})
			}
			return printRequests(cmd.OutOrStdout(), requests, true)
		}),
	}
	cmd.Flags().BoolVar(&r.follow, "follow", false, "go on with new requests until SIGINT")
	parse := func(text string) (any, error) {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("write the SEQ of a request, a whole number from 0")
		}
		return n, nil
	}
	cmd.Flags().Var(&bodyFlag{parse: parse, store: func(v any) { r.since, _ = v.(int64) }}, "since", "only requests after the one with this `SEQ`")
	cmd.Flags().Var(&bodyFlag{parse: parseText, store: func(v any) { r.path, _ = v.(string) }}, "path", "only paths below the version that fit a `PATTERN`, such as meta-data/iam/**")
	jsonFlag(cmd, &r.json)
	return addControl(cmd, f)
}

// followWait is how long one request for further ones waits.
const followWait = 30 * time.Second

// followRequests prints requests until the command is interrupted, which is its usual end.
func followRequests(cmd *cobra.Command, client *control.Client, r *requestFlags) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	last, header, wait := r.since, true, time.Duration(0) // what is there already comes at once
	for {
		requests, err := client.Requests(ctx, last, r.path, wait)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the error is that of the interrupt
		}
		switch {
		case err != nil:
			return err
		case r.json:
			err = printEach(out, requests)
		case header || len(requests) > 0:
			err = printRequests(out, requests, header)
			header = false
		}
		if err != nil {
			return err
		}
		if len(requests) > 0 {
			last = requests[len(requests)-1].Seq
		}
		wait = followWait
	}
}

// printEach prints a JSON object a line.
func printEach(out io.Writer, requests []api.Request) error {
	e := json.NewEncoder(out)
	for i := range requests {
		if err := e.Encode(&requests[i]); err != nil {
			return err
		}
	}
	return nil
}

// maxPathWidth is how wide the column of paths gets.
const maxPathWidth = 100

// printRequests prints a table. The widths of its columns are those of usual requests, so that later lines fit below. Only that of the path
// grows with the requests of one call.
func printRequests(out io.Writer, requests []api.Request, header bool) error {
	path := 40
	for i := range requests {
		path = max(path, len(cell(requests[i].Path)))
	}
	widths := fmt.Sprintf("%%-5s  %%-24s  %%-15s  %%-6s  %%-%ds  %%-7s  %%-6s  %%-5s  %%s\n", min(path, maxPathWidth))
	if header {
		if _, err := fmt.Fprintf(out, widths, "SEQ", "TIME", "CLIENT", "METHOD", "PATH", "VERSION", "STATUS", "BYTES", "FAULT"); err != nil {
			return err
		}
	}
	for i := range requests {
		r := &requests[i]
		status := "-"
		if r.Status != 0 {
			status = strconv.Itoa(r.Status)
		}
		_, err := fmt.Fprintf(out, widths, strconv.FormatInt(r.Seq, 10), r.Time.UTC().Format("2006-01-02T15:04:05.000Z"), cell(r.Client), cell(r.Method),
			cell(r.Path), cell(r.IMDS), status, strconv.FormatInt(r.Bytes, 10), cell(r.Fault))
		if err != nil {
			return err
		}
	}
	return nil
}
