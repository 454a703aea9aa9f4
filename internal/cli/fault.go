package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/control"
	"mock-ec2-metadata/internal/fault"
)

// faultList is the command that shows all faults.
const faultList = "mock-ec2-metadata fault list"

func newFault(f *flags) *cobra.Command {
	return group(
		&cobra.Command{
			Use:   "fault",
			Short: "Make the metadata service misbehave: delays, errors, lost answers, expired credentials and others",
			Long: `fault makes the running daemon answer badly, and takes it back. A fault says which requests it is for, how many of them it hits, and
what happens to their answers. The first fault that matches wins, in the order of addition.

  mock-ec2-metadata fault add --id f --path 'meta-data/iam/**' --status 503 --count 2 && aws sts get-caller-identity
  mock-ec2-metadata fault add --path api/token --delay 300ms --jitter 100ms --for 10m
  mock-ec2-metadata fault preset throttled
  mock-ec2-metadata fault clear

/status, refusals of the guard and the control socket are never hit. No fault survives a restart of the daemon, but those of its
configuration. These commands use the daemon's control socket, which only the daemon's user and root may write to.`,
		},
		newFaultAdd(f), newFaultList(f), newFaultShow(f), newFaultRemove(f), newFaultClear(f), newFaultPreset(f, fault.Presets),
	)
}

func newFaultList(f *flags) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "list",
		Short:             "List the faults, and how many answers each has hit",
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: withClient(f, func(cmd *cobra.Command, client *control.Client, _ []string) error {
			faults, err := client.Faults(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), api.Faults{Faults: faults})
			}
			return printFaults(cmd.OutOrStdout(), faults)
		}),
	}
	jsonFlag(cmd, &asJSON)
	return addControl(cmd, f)
}

func printFaults(out io.Writer, faults []api.Fault) error {
	w := newTable(out)
	fmt.Fprintln(w, "ID\tMATCH\tDOSE\tEFFECT\tHITS")
	for i := range faults {
		r := &faults[i]
		words := inWords(r)
		row(w, r.ID, words.match, words.dose, words.effect, fmt.Sprint(r.Hits))
	}
	return w.Flush()
}

// faultWords are a fault in words.
type faultWords struct{ match, dose, effect string }

// inWords describes a fault. What only a newer daemon knows shows in its own words.
func inWords(r *api.Fault) faultWords {
	spec := map[string]json.RawMessage{}
	if err := json.Unmarshal(r.Effect, &spec); err == nil {
		spec["match"], spec["dose"] = r.Match, r.Dose
		if text, err := json.Marshal(spec); err == nil {
			if known, _, err := config.ParseFault(text); err == nil {
				rule := &fault.Rule{Spec: known}
				return faultWords{rule.MatchText(), rule.DoseText(), rule.EffectText()}
			}
		}
	}
	return faultWords{objectWords(r.Match), objectWords(r.Dose), objectWords(r.Effect)}
}

// faultLine is a fault in one line, the id first.
func faultLine(r *api.Fault) string {
	words := inWords(r)
	return cell(fmt.Sprintf("%s %s for %s, %s", r.ID, words.effect, words.match, words.dose))
}

func newFaultShow(f *flags) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "show ID",
		Short:             "Show one fault",
		Args:              takesID(0, "f1"),
		ValidArgsFunction: completeID(f, faultIDs),
		RunE: withClient(f, func(cmd *cobra.Command, client *control.Client, args []string) error {
			r, err := client.Fault(cmd.Context(), args[0])
			if err != nil {
				return unknown(err, "fault", args[0], faultList)
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), r)
			}
			expires := "never"
			if r.ExpiresAt != nil {
				expires = clock(r.ExpiresAt)
			}
			words := inWords(&r)
			return printPairs(cmd.OutOrStdout(), []line{
				{"id", r.ID},
				{"match", words.match},
				{"dose", words.dose},
				{"effect", words.effect},
				{"hits", fmt.Sprint(r.Hits)},
				{"created", clock(&r.CreatedAt)},
				{"expires", expires},
			})
		}),
	}
	jsonFlag(cmd, &asJSON)
	return addControl(cmd, f)
}

func newFaultRemove(f *flags) *cobra.Command {
	return addControl(&cobra.Command{
		Use:               "remove ID",
		Short:             "Remove a fault; requests that wait in it are reset",
		Args:              takesID(0, "f1"),
		ValidArgsFunction: completeID(f, faultIDs),
		RunE: withClient(f, func(cmd *cobra.Command, client *control.Client, args []string) error {
			// To delete what is not there is no error of the API.
			r, err := client.Fault(cmd.Context(), args[0])
			if err != nil {
				return unknown(err, "fault", args[0], faultList)
			}
			if err := client.DeleteFaults(cmd.Context(), r.ID); err != nil {
				return err
			}
			return printRemoved(cmd.OutOrStdout(), r)
		}),
	}, f)
}

func newFaultClear(f *flags) *cobra.Command {
	return addControl(&cobra.Command{
		Use:               "clear",
		Short:             "Remove all faults; requests that wait in them are reset",
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: withClient(f, func(cmd *cobra.Command, client *control.Client, _ []string) error {
			faults, err := client.Faults(cmd.Context())
			if err != nil {
				return err
			}
			if err := client.DeleteFaults(cmd.Context(), ""); err != nil {
				return err
			}
			return printRemoved(cmd.OutOrStdout(), faults...)
		}),
	}, f)
}

func printRemoved(out io.Writer, faults ...api.Fault) error {
	for i := range faults {
		if _, err := fmt.Fprintln(out, cell(fmt.Sprintf("%s removed, %d hits", faults[i].ID, faults[i].Hits))); err != nil {
			return err
		}
	}
	return nil
}
