package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/control"
)

func newEvent(f *flags) *cobra.Command {
	return group(
		&cobra.Command{
			Use:   "event",
			Short: "Simulate what EC2 would do to the instance: spot interruptions, maintenance, tags and others",
			Long: `event makes the running daemon show what EC2 would do to the instance, and takes it back. Every command that makes an event prints
one line, which begins with the event's id:

  $ mock-ec2-metadata event spot terminate --id s1
  s1 spot terminate noticed, acted at 2026-11-29T12:02:00Z

It begins at once, or by --in, --at or --after-requests. All clients see it, or those of --client, or by --clients N the first N.

  mock-ec2-metadata exec -- sh -c 'my-agent & mock-ec2-metadata event spot terminate --notice 5s && wait'
  mock-ec2-metadata event spot stop --id s1 && mock-ec2-metadata event wait s1 noticed --timeout 10s
  mock-ec2-metadata event maintenance system-reboot --not-before 2026-12-01T02:00:00Z
  mock-ec2-metadata event list

An event that is canceled leaves nothing behind. None survives a restart of the daemon, but those of its configuration.
These commands use the daemon's control socket, which only the daemon's user and root may write to.`,
		},
		newEventSpot(f), newEventRebalance(f), newEventMaintenance(f), newEventASG(f), newEventProfile(f), newEventCredentials(f),
		newEventTags(f), newEventOptions(f), newEventNetwork(f), newEventPublicIP(f), newEventRestart(f), newEventSet(f), newEventUnset(f),
		newEventList(f), newEventShow(f), newEventCancel(f), newEventClear(f), newEventWait(f),
	)
}

// makesEvent completes a command that makes an event: by the flags of all kinds, which fill b, and by build, which puts the arguments
// into b. Its errors are about the command line, unless they say otherwise.
func makesEvent(f *flags, cmd *cobra.Command, b body, build func(cmd *cobra.Command, args []string) error) *cobra.Command {
	var id string
	var asJSON bool
	cmd.Flags().Var(idFlag(&id), "id", "`ID` of the event; default: one is made up. The same event under the same id changes nothing")
	b.flag(cmd, "in", "in", parseDuration, "begin after a `DURATION`, such as 30s")
	b.flag(cmd, "at", "at", parseTime, "begin at a `TIME` of RFC 3339, such as 2026-12-01T02:00:00Z")
	b.flag(cmd, "after-requests", "after_requests", parseAfterRequests, "begin after so many answered requests, `N[:PATTERN]`; only those to paths of the pattern count")
	b.list(cmd, "client", "clients", "only for clients in a `CIDR`, at an address, or of an entry of clients, such as clients[0]; repeatable")
	b.flag(cmd, "clients", "first_clients", parseCount(1), "only for the first `N` addresses that ask")
	jsonFlag(cmd, &asJSON)
	if cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	run := withClient(f, func(cmd *cobra.Command, client *control.Client, _ []string) error {
		text, err := json.Marshal(b)
		if err != nil {
			return err
		}
		e, _, err := client.PutEvent(cmd.Context(), id, text)
		if err != nil {
			return err
		}
		return printEvent(cmd, &e, asJSON)
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := build(cmd, args); err != nil {
			return err
		}
		if err := exclude(cmd, "in", "at", "after-requests"); err != nil {
			return err
		}
		if err := exclude(cmd, "client", "clients"); err != nil {
			return err
		}
		return run(cmd, args)
	}
	return addControl(cmd, f)
}

// exclude refuses a second one of some flags.
func exclude(cmd *cobra.Command, names ...string) error {
	var given []string
	for _, name := range names {
		if cmd.Flags().Changed(name) {
			given = append(given, "--"+name)
		}
	}
	if len(given) > 1 {
		return usagef(cmd, "%s exclude each other; keep one", strings.Join(given, " and "))
	}
	return nil
}

// idFlag is a flag for an id.
func idFlag(id *string) *bodyFlag {
	parse := func(text string) (any, error) { return text, checkID(text) }
	return &bodyFlag{parse: parse, store: func(v any) { *id, _ = v.(string) }}
}

// printEvent prints an event that a command has made or changed. Its warnings go to stderr.
func printEvent(cmd *cobra.Command, e *api.Event, asJSON bool) error {
	for _, w := range e.Warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", cell(w))
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), e)
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), eventLine(e))
	return err
}

// eventLine is an event in one line, the id first.
func eventLine(e *api.Event) string {
	line := fmt.Sprintf("%s %s %s", e.ID, eventTitle(e), e.Phase)
	switch {
	case e.NextPhaseAt != nil:
		line += fmt.Sprintf(", %s at %s", e.NextPhase, clock(e.NextPhaseAt))
	case e.ActivatesAt == nil:
		line += ", begins " + eventSpec(e).trigger()
	}
	return cell(line)
}

// eventTitle is the kind and the verb of an event: "spot terminate".
func eventTitle(e *api.Event) string {
	var keys map[string]json.RawMessage
	var verb string
	if json.Unmarshal(e.Spec, &keys) == nil && json.Unmarshal(keys[e.Kind], &verb) == nil {
		return e.Kind + " " + verb
	}
	return e.Kind
}

// spec is what the commands read of the words of an event.
type spec struct {
	AfterRequests struct {
		Count int    `json:"count"`
		Path  string `json:"path"`
	} `json:"after_requests"`
	FirstClients int `json:"first_clients"`
}

func eventSpec(e *api.Event) spec {
	var s spec
	_ = json.Unmarshal(e.Spec, &s) // what cannot be read stays empty
	return s
}

// trigger says what an event waits for that has no time yet.
func (s spec) trigger() string {
	if s.AfterRequests.Count == 0 {
		return "later"
	}
	text := fmt.Sprintf("after %d requests", s.AfterRequests.Count)
	if s.AfterRequests.Path != "" {
		text += " of " + s.AfterRequests.Path
	}
	return text
}

// eventClients are the clients that see an event.
func eventClients(e *api.Event) string {
	all := strings.Join(e.Clients, ",")
	switch n := eventSpec(e).FirstClients; {
	case n > 0 && all != "":
		return fmt.Sprintf("first %d: %s", n, all)
	case n > 0:
		return fmt.Sprintf("first %d", n)
	case all == "":
		return "all"
	default:
		return all
	}
}
