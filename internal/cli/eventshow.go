package cli

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/control"
)

const (
	// maxWait is how long the daemon lets one request wait at most.
	maxWait = 10 * time.Minute
	// eventList is the command that shows all events.
	eventList = "mock-ec2-metadata event list"
)

func newEventList(f *flags) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "list",
		Short:             "List the events, with the phase that each is in",
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: withClient(f, func(cmd *cobra.Command, client *control.Client, _ []string) error {
			events, err := client.Events(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), api.Events{Events: events})
			}
			return printEvents(cmd.OutOrStdout(), events)
		}),
	}
	jsonFlag(cmd, &asJSON)
	return addControl(cmd, f)
}

func printEvents(out io.Writer, events []api.Event) error {
	w := newTable(out)
	fmt.Fprintln(w, "ID\tKIND\tPHASE\tSINCE\tNEXT\tCLIENTS")
	for i := range events {
		e := &events[i]
		row(w, e.ID, eventTitle(e), e.Phase, clock(&e.PhaseSince), eventNext(e), eventClients(e))
	}
	return w.Flush()
}

// eventNext is the next phase of an event and its time; "" if there is none.
func eventNext(e *api.Event) string {
	switch {
	case e.NextPhaseAt != nil:
		return e.NextPhase + " " + clock(e.NextPhaseAt)
	case e.ActivatesAt == nil:
		return eventSpec(e).trigger()
	default:
		return ""
	}
}

func newEventShow(f *flags) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "show ID",
		Short:             "Show one event",
		Args:              takesID(0, "s1"),
		ValidArgsFunction: completeID(f, eventIDs),
		RunE: withClient(f, func(cmd *cobra.Command, client *control.Client, args []string) error {
			e, err := client.Event(cmd.Context(), args[0])
			if err != nil {
				return unknown(err, "event", args[0], eventList)
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), e)
			}
			return showEvent(cmd.OutOrStdout(), &e)
		}),
	}
	jsonFlag(cmd, &asJSON)
	return addControl(cmd, f)
}

func showEvent(out io.Writer, e *api.Event) error {
	activates := clock(e.ActivatesAt)
	if e.ActivatesAt == nil {
		activates = eventSpec(e).trigger()
	}
	lines := []line{
		{"id", e.ID},
		{"kind", eventTitle(e)},
		{"phase", e.Phase},
		{"since", clock(&e.PhaseSince)},
		{"next", eventNext(e)},
		{"created", clock(&e.CreatedAt)},
		{"activates", activates},
		{"clients", eventClients(e)},
		{"hits", fmt.Sprint(e.Hits)},
		{"spec", objectWords(e.Spec)},
	}
	for _, w := range e.Warnings {
		lines = append(lines, line{"warning", w})
	}
	return printPairs(out, lines)
}

// line is a key and its value, for people.
type line struct{ key, value string }

func printPairs(out io.Writer, lines []line) error {
	for _, l := range lines {
		if _, err := fmt.Fprintf(out, "%s: %s\n", l.key, cell(l.value)); err != nil {
			return err
		}
	}
	return nil
}

func newEventCancel(f *flags) *cobra.Command {
	return addControl(&cobra.Command{
		Use:   "cancel ID",
		Short: "End an event, as if it had never been",
		Long: `cancel ends an event, and the daemon answers as if it had never been. A maintenance event that AWS cancels is another thing: event
maintenance cancel.`,
		Args:              takesID(0, "s1"),
		ValidArgsFunction: completeID(f, eventIDs),
		RunE: withClient(f, func(cmd *cobra.Command, client *control.Client, args []string) error {
			// To delete what is not there is no error of the API.
			e, err := client.Event(cmd.Context(), args[0])
			if err != nil {
				return unknown(err, "event", args[0], eventList)
			}
			if err := client.DeleteEvents(cmd.Context(), e.ID); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), cell(e.ID+" "+eventTitle(&e)+" canceled"))
			return err
		}),
	}, f)
}

func newEventClear(f *flags) *cobra.Command {
	return addControl(&cobra.Command{
		Use:               "clear",
		Short:             "End all events, as if they had never been",
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: withClient(f, func(cmd *cobra.Command, client *control.Client, _ []string) error {
			events, err := client.Events(cmd.Context())
			if err != nil {
				return err
			}
			if err := client.DeleteEvents(cmd.Context(), ""); err != nil {
				return err
			}
			for i := range events {
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), cell(events[i].ID+" "+eventTitle(&events[i])+" canceled")); err != nil {
					return err
				}
			}
			return nil
		}),
	}, f)
}

func newEventWait(f *flags) *cobra.Command {
	var timeout time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "wait ID [PHASE]",
		Short: "Wait until an event is in a phase, or has passed it",
		Long: `wait ends once an event is in the phase, or has passed it, and prints the event. Without PHASE it is the first phase after pending. It exits
1 after --timeout, and when the event is canceled.

  mock-ec2-metadata event wait s1 noticed --timeout 10s

Phases: spot pending, rebalance, noticed, acted; rebalance pending, noticed; maintenance pending, scheduled, completed, canceled; network
pending, partial, complete; profile pending, lag, active; others pending, active.`,
		Args:              takesID(1, "s1 noticed"),
		ValidArgsFunction: completeWait(f),
	}
	parse := func(text string) (any, error) {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return nil, errors.New("write a duration above 0, such as 30s or 5m")
		}
		return d, nil
	}
	cmd.Flags().Var(&bodyFlag{parse: parse, store: func(v any) { timeout, _ = v.(time.Duration) }}, "timeout", "give up after a `DURATION`; default 5m")
	jsonFlag(cmd, &asJSON)
	timeout = 5 * time.Minute
	cmd.RunE = withClient(f, func(cmd *cobra.Command, client *control.Client, args []string) error {
		phase := ""
		if len(args) > 1 {
			phase = args[1]
		}
		e, err := waitEvent(cmd, client, args[0], phase, timeout)
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(cmd.OutOrStdout(), e)
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), eventLine(&e))
		return err
	})
	return addControl(cmd, f)
}

// waitEvent asks as often as the timeout is longer than the daemon waits.
func waitEvent(cmd *cobra.Command, client *control.Client, id, phase string, timeout time.Duration) (api.Event, error) {
	ctx := cmd.Context()
	for left := timeout; left > 0; left -= maxWait {
		e, err := client.WaitEvent(ctx, id, phase, min(left, maxWait))
		if !refusedWith(err, http.StatusRequestTimeout) {
			return e, unknown(err, "event", id, eventList)
		}
	}
	e, err := client.Event(ctx, id)
	if err != nil {
		return e, unknown(err, "event", id, eventList)
	}
	wanted := "another phase"
	if phase != "" {
		wanted = phase
	}
	return e, fmt.Errorf("event %s is in the phase %s after %s, not in %s; wait longer with --timeout", id, e.Phase, timeout, wanted)
}

// completeWait has the shell complete an id, then a phase.
func completeWait(f *flags) cobra.CompletionFunc {
	ids := completeID(f, eventIDs)
	return func(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
		if len(args) != 1 {
			return ids(cmd, args, start)
		}
		return []string{"rebalance", "noticed", "acted", "scheduled", "completed", "canceled", "partial", "complete", "lag", "active"}, cobra.ShellCompDirectiveNoFileComp
	}
}
