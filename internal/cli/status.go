package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/api"
)

func newStatus(f *flags) *cobra.Command {
	var table bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Print the running daemon's status",
		Long: `status prints the status document of the running daemon, as /status shows it to its own machine, but without the ids of roles,
which are secrets (env --role prints one). --table prints a line for each role and instance that clients get instead, for people. It uses
the daemon's control socket, so that it works whatever the daemon listens on. It exits 3 when no daemon is found.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := controlClient(cmd, f)
			if err != nil {
				return err
			}
			s, err := client.Status(cmd.Context())
			if err != nil {
				return controlError(err)
			}
			if table {
				return printStatus(cmd.OutOrStdout(), s)
			}
			return PrintStatus(cmd.OutOrStdout(), s)
		},
	}
	cmd.Flags().BoolVar(&table, "table", false, "print a table of roles and instances, for people")
	return addControl(cmd, f)
}

// PrintStatus prints a status document without the ids of roles.
func PrintStatus(out io.Writer, s *api.Status) error {
	text, err := json.MarshalIndent(s.WithoutIDs(), "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", text)
	return err
}

// printStatus prints what clients get as a table, and below it what is wrong with the daemon as a whole.
func printStatus(out io.Writer, s *api.Status) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ROLE\tIDENTITY\tINSTANCE\tSTATE\tUNTIL\tERROR")
	all := append([]api.Identity{{InstanceID: s.InstanceID, Role: s.Role, Credentials: s.Credentials}}, s.Identities...)
	for _, id := range all {
		until := ""
		if id.Credentials.Expiration != nil {
			until = id.Credentials.Expiration.UTC().Format(time.RFC3339)
		}
		row := []string{id.Role, cmp.Or(id.Identity, id.Pod), id.InstanceID, id.Credentials.State, until, id.Credentials.LastError}
		for i, cell := range row {
			if cell = strings.Join(strings.Fields(cell), " "); cell == "" {
				cell = "-"
			}
			row[i] = cell
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if c := s.Containers; c != nil {
		state := "connected"
		if !c.Connected {
			state = "not connected"
		}
		fmt.Fprintf(out, "containers: %s, %s, %d known\n", c.Engine, state, c.Containers)
		if c.Error != "" {
			fmt.Fprintln(out, c.Error)
		}
	}
	if sim := s.Simulation; sim != nil {
		fmt.Fprintf(out, "simulated: %d events, %d faults; see event list and fault list\n", len(sim.Events), len(sim.Faults))
	}
	for _, problem := range []string{s.Config.Error, s.IdentityError} {
		if problem != "" {
			fmt.Fprintln(out, problem)
		}
	}
	return nil
}
