package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/control"
	"mock-ec2-metadata/internal/fault"
)

func newFaultPreset(f *flags, presets func() []fault.Preset) *cobra.Command {
	var asJSON bool
	names := func() []string {
		var all []string
		for _, p := range presets() {
			all = append(all, p.Name)
		}
		return all
	}
	cmd := &cobra.Command{
		Use:   "preset [NAME]",
		Short: "Add the faults of a known problem, or list the problems",
		Long: `preset adds the faults that imitate a known problem, and prints them. Without NAME it lists the presets. fault remove or fault clear takes
the faults back.

  mock-ec2-metadata fault preset
  mock-ec2-metadata fault preset hop-limit`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := takes(0, 1, "throttled")(cmd, args); err != nil || len(args) == 0 {
				return err
			}
			if presetNamed(presets(), args[0]) == nil {
				return usagef(cmd, "%q is not a preset; write one of %s", args[0], strings.Join(names(), ", "))
			}
			return nil
		},
		ValidArgsFunction: completeWord(names),
	}
	add := withClient(f, func(cmd *cobra.Command, client *control.Client, args []string) error {
		added, err := addPreset(cmd.Context(), client, presetNamed(presets(), args[0]))
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(cmd.OutOrStdout(), api.Faults{Faults: added})
		}
		for i := range added {
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), faultLine(&added[i])); err != nil {
				return err
			}
		}
		return nil
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return add(cmd, args)
		}
		w := newTable(cmd.OutOrStdout())
		fmt.Fprintln(w, "NAME\tSUMMARY")
		for _, p := range presets() {
			row(w, p.Name, p.Summary)
		}
		return w.Flush()
	}
	jsonFlag(cmd, &asJSON)
	return addControl(cmd, f)
}

// presetNamed returns a preset; nil if there is none of the name.
func presetNamed(presets []fault.Preset, name string) *fault.Preset {
	for i := range presets {
		if presets[i].Name == name {
			return &presets[i]
		}
	}
	return nil
}

// addPreset adds all faults of a preset, or none: if one is refused, it removes those that it has added.
func addPreset(ctx context.Context, client *control.Client, p *fault.Preset) (added []api.Fault, err error) {
	var own []string
	defer func() {
		if err == nil {
			return
		}
		for _, id := range own {
			if failed := client.DeleteFaults(context.WithoutCancel(ctx), id); failed != nil {
				err = fmt.Errorf("%w; and the fault %s stays: %w", err, id, failed)
			}
		}
	}()
	for i := range p.Faults {
		r, created, err := client.PutFault(ctx, p.Faults[i].ID, config.JSON(&p.Faults[i]))
		if err != nil {
			return nil, fmt.Errorf("the fault %s of the preset %s: %w", p.Faults[i].ID, p.Name, err)
		}
		if created {
			own = append(own, r.ID)
		}
		added = append(added, r)
	}
	return added, nil
}
