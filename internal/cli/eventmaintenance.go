package cli

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/control"
)

// maintenanceCodes are those of EC2.
func maintenanceCodes() []string {
	return []string{"instance-stop", "instance-retirement", "instance-reboot", "system-reboot", "system-maintenance"}
}

func newEventMaintenance(f *flags) *cobra.Command {
	b := body{}
	cmd := &cobra.Command{
		Use:   "maintenance CODE",
		Short: "Schedule maintenance of the instance, and complete, cancel or reschedule it",
		Long: `maintenance shows a scheduled event in events/maintenance/scheduled: instance-stop, instance-retirement, instance-reboot, system-reboot or
system-maintenance. Without --not-before it starts in seven days.

  mock-ec2-metadata event maintenance system-reboot --id window --not-before 2026-12-01T02:00:00Z
  mock-ec2-metadata event maintenance reschedule window --not-before 2026-12-08T02:00:00Z
  mock-ec2-metadata event maintenance complete window

complete and cancel move it to events/maintenance/history; event cancel removes it without a trace.`,
		Args:              takesWord("a maintenance code", maintenanceCodes()...),
		ValidArgsFunction: completeWord(maintenanceCodes),
	}
	b.flag(cmd, "not-before", "not_before", parseTime, "the earliest start, a `TIME` of RFC 3339")
	b.flag(cmd, "not-after", "not_after", parseTime, "the latest end, a `TIME` of RFC 3339")
	b.flag(cmd, "description", "description", parseText, "`TEXT` for people")
	b.flag(cmd, "event-id", "event_id", parseText, "EC2's `ID` of the event, such as instance-event-0d59937288b749b32; default: one is made up")
	makesEvent(f, cmd, b, func(_ *cobra.Command, args []string) error {
		b.put("maintenance", args[0])
		return nil
	})
	cmd.AddCommand(
		newMaintenanceVerb(f, body{}, &cobra.Command{Use: "complete ID", Short: "Complete a scheduled event"}),
		newMaintenanceVerb(f, body{}, &cobra.Command{Use: "cancel ID", Short: "Cancel a scheduled event, as AWS does"}),
		newReschedule(f),
	)
	return cmd
}

func newReschedule(f *flags) *cobra.Command {
	b := body{}
	cmd := &cobra.Command{Use: "reschedule ID", Short: "Move a scheduled event to another time"}
	b.flag(cmd, "not-before", "not_before", parseTime, "the new earliest start, a `TIME` of RFC 3339")
	b.flag(cmd, "not-after", "not_after", parseTime, "the new latest end, a `TIME` of RFC 3339")
	newMaintenanceVerb(f, b, cmd)
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !b.has("not_before") && !b.has("not_after") {
			return usagef(cmd, "the new time is missing; add for example: --not-before 2026-12-08T02:00:00Z")
		}
		return run(cmd, args)
	}
	return cmd
}

// newMaintenanceVerb completes a command that changes a scheduled event. Its name is the verb.
func newMaintenanceVerb(f *flags, b body, cmd *cobra.Command) *cobra.Command {
	var asJSON bool
	cmd.Long = cmd.Short + `. ID is the one of event list, or EC2's.`
	cmd.Args = takesID(0, "window")
	cmd.ValidArgsFunction = completeID(f, eventIDs)
	cmd.RunE = withClient(f, func(cmd *cobra.Command, client *control.Client, args []string) error {
		b.put("verb", cmd.Name())
		text, err := json.Marshal(b)
		if err != nil {
			return err
		}
		e, err := client.ChangeEvent(cmd.Context(), args[0], text)
		if err != nil {
			return unknown(err, "event", args[0], eventList)
		}
		return printEvent(cmd, &e, asJSON)
	})
	jsonFlag(cmd, &asJSON)
	return addControl(cmd, f)
}
