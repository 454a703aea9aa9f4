package cli

import "github.com/spf13/cobra"

func newEventSpot(f *flags) *cobra.Command {
	b := body{}
	verbs := []string{"terminate", "stop", "hibernate"}
	cmd := &cobra.Command{
		Use:   "spot terminate|stop|hibernate",
		Short: "Interrupt a spot instance, after a notice",
		Long: `spot shows the notice of a spot interruption: spot/instance-action and, for terminate, spot/termination-time. The life cycle of the
instance is spot while the event lasts. The notice comes two minutes before the action, for hibernate at the same time.

  mock-ec2-metadata event spot terminate
  mock-ec2-metadata event spot stop --notice 5s --then clear
  mock-ec2-metadata event spot terminate --rebalance 10m --in 1h`,
		Args:              takesWord("what EC2 does to a spot instance", verbs...),
		ValidArgsFunction: completeWord(func() []string { return verbs }),
	}
	b.flag(cmd, "notice", "notice", parseDuration, "the notice comes a `DURATION` before the action; default: 2m, for hibernate 0s")
	b.flag(cmd, "rebalance", "rebalance", parseDuration, "the rebalance recommendation comes a `DURATION` before the notice")
	b.words(cmd, "then", "then", []string{"stay", "clear", "gone", "exit"}, "`WHAT` happens at the action: stay (default), clear (a fresh instance), gone (no answers), exit (the daemon ends)")
	return makesEvent(f, cmd, b, func(_ *cobra.Command, args []string) error {
		b.put("spot", args[0])
		return nil
	})
}

func newEventRebalance(f *flags) *cobra.Command {
	b := body{}
	cmd := &cobra.Command{
		Use:   "rebalance",
		Short: "Recommend to rebalance a spot instance",
		Long:  `rebalance shows events/recommendations/rebalance. The life cycle of the instance is spot while the event lasts.`,
		Args:  noArgs,
	}
	return makesEvent(f, cmd, b, func(*cobra.Command, []string) error {
		b.put("rebalance", true)
		return nil
	})
}

// asgStates are the target states that Auto Scaling documents. The daemon takes others with a warning; gone removes the state.
func asgStates() []string {
	return []string{
		"InService", "Terminated", "Detached", "Standby", "Warmed:Running", "Warmed:Stopped", "Warmed:Hibernated", "Warmed:Terminated", "gone",
	}
}

func newEventASG(f *flags) *cobra.Command {
	b := body{}
	cmd := &cobra.Command{
		Use:   "asg STATE|gone",
		Short: "Set the target lifecycle state of Auto Scaling",
		Long: `asg shows a state in autoscaling/target-lifecycle-state, in place of the event that has set one before: InService, Terminated, Detached,
Standby, Warmed:Running, Warmed:Stopped, Warmed:Hibernated or Warmed:Terminated. With gone the path is absent.

  mock-ec2-metadata event asg Terminated`,
		Args:              takes(1, 1, "Terminated"),
		ValidArgsFunction: completeWord(asgStates),
	}
	return makesEvent(f, cmd, b, func(_ *cobra.Command, args []string) error {
		b.put("asg", args[0])
		return nil
	})
}

func newEventProfile(f *flags) *cobra.Command {
	// verb makes a command for one change of the profile. key is what its argument is; "" for none.
	verb := func(use, key string, cmd *cobra.Command) *cobra.Command {
		b := body{}
		b.flag(cmd, "lag", "lag", parseDuration, "the change shows after a `DURATION`, as it does on EC2")
		return makesEvent(f, cmd, b, func(_ *cobra.Command, args []string) error {
			b.put("profile", use)
			if key != "" {
				b.put(key, args[0])
			}
			return nil
		})
	}
	codes := func() []string { return []string{"InstanceProfileNotFound", "NoRole", "AssumeRoleUnauthorizedAccess"} }
	return group(
		&cobra.Command{
			Use:   "profile",
			Short: "Detach, attach, replace or break the instance profile",
			Long: `profile changes what iam/ shows, and takes the place of the profile event before it. The daemon assumes no other role for it.

  mock-ec2-metadata event profile detach
  mock-ec2-metadata event profile break AssumeRoleUnauthorizedAccess --lag 5s`,
		},
		verb("detach", "", &cobra.Command{Use: "detach", Short: "Detach the profile: iam/ is absent", Args: noArgs}),
		verb("attach", "", &cobra.Command{Use: "attach", Short: "Attach the configured profile again", Args: noArgs}),
		verb("replace", "role", &cobra.Command{
			Use: "replace ROLE", Short: "Show the configured role under another name", Args: takes(1, 1, "other-role"),
		}),
		verb("break", "code", &cobra.Command{
			Use: "break CODE", Short: "Show a profile that gives no credentials", Args: takes(1, 1, "AssumeRoleUnauthorizedAccess"),
			Long: `break shows the code of a broken profile in place of credentials: InstanceProfileNotFound, NoRole, AssumeRoleUnauthorizedAccess, or any
other.`,
			ValidArgsFunction: completeWord(codes),
		}),
	)
}

func newEventCredentials(f *flags) *cobra.Command {
	b := body{}
	return group(
		&cobra.Command{Use: "credentials", Short: "Rotate the credentials of the role"},
		makesEvent(f, &cobra.Command{
			Use: "rotate", Short: "Get new credentials from STS at once; the old ones stay until they are there", Args: noArgs,
		}, b, func(*cobra.Command, []string) error {
			b.put("credentials", "rotate")
			return nil
		}),
	)
}
