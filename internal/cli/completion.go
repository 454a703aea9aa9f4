package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/control"
)

// completionTime is how long a shell waits for ids at most.
const completionTime = time.Second

// completeFlag has the shell complete the values of a flag.
func completeFlag(cmd *cobra.Command, flag string, words []string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag does not exist, or has words already
	}
}

// completeWord has the shell complete the first argument by some words.
func completeWord(all func() []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return all(), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeID has the shell complete the first argument by ids that the daemon knows. Without a daemon there are none.
func completeID(f *flags, ids func(context.Context, *control.Client) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		ctx, stop := context.WithTimeout(cmd.Context(), completionTime)
		defer stop()
		cmd.SetContext(ctx)
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		client, err := controlClient(cmd, f)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return ids(ctx, client), cobra.ShellCompDirectiveNoFileComp
	}
}

// eventIDs are those of running events, with their kind as the description; none if the daemon does not tell.
func eventIDs(ctx context.Context, client *control.Client) []string {
	events, err := client.Events(ctx)
	if err != nil {
		return nil
	}
	var ids []string
	for i := range events {
		ids = append(ids, cobra.CompletionWithDesc(events[i].ID, eventTitle(&events[i])+" "+events[i].Phase))
	}
	return ids
}

// faultIDs are those of running faults, as eventIDs.
func faultIDs(ctx context.Context, client *control.Client) []string {
	faults, err := client.Faults(ctx)
	if err != nil {
		return nil
	}
	var ids []string
	for i := range faults {
		ids = append(ids, cobra.CompletionWithDesc(faults[i].ID, inWords(&faults[i]).effect))
	}
	return ids
}
