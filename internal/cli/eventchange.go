package cli

import (
	"strconv"

	"github.com/spf13/cobra"
)

func newEventTags(f *flags) *cobra.Command {
	set, unset := body{}, body{}
	return group(
		&cobra.Command{Use: "tags", Short: "Set or remove tags of the instance"},
		makesEvent(f, &cobra.Command{
			Use: "set KEY=VALUE...", Short: "Set tags", Args: takes(1, anyNumber, "Name=web Stage=test"),
		}, set, func(cmd *cobra.Command, args []string) error {
			tags, err := pairs(cmd, args, "KEY=VALUE, such as Name=web")
			set.put("tags", body{"set": tags})
			return err
		}),
		makesEvent(f, &cobra.Command{
			Use: "unset KEY...", Short: "Remove tags", Args: takes(1, anyNumber, "Name"),
		}, unset, func(_ *cobra.Command, args []string) error {
			unset.put("tags", body{"unset": args})
			return nil
		}),
	)
}

func newEventOptions(f *flags) *cobra.Command {
	b := body{}
	names := func() []string {
		return []string{
			"http_tokens=optional", "http_tokens=required", "http_endpoint=enabled", "http_endpoint=disabled", "http_put_response_hop_limit=",
			"instance_metadata_tags=enabled", "instance_metadata_tags=disabled",
		}
	}
	cmd := &cobra.Command{
		Use:   "options KEY=VALUE...",
		Short: "Change metadata options, as aws ec2 modify-instance-metadata-options does",
		Long: `options changes metadata options of the instance, under the names of ec2.metadata_options: http_tokens, http_endpoint,
http_put_response_hop_limit and instance_metadata_tags.

  mock-ec2-metadata event options http_tokens=required http_put_response_hop_limit=1`,
		Args: takes(1, anyNumber, "http_tokens=required"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return names(), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		},
	}
	return makesEvent(f, cmd, b, func(cmd *cobra.Command, args []string) error {
		options, err := pairs(cmd, args, "KEY=VALUE, such as http_tokens=required")
		if err != nil {
			return err
		}
		const limit = "http_put_response_hop_limit"
		if text, ok := options[limit].(string); ok {
			n, err := strconv.Atoi(text)
			if err != nil {
				return usagef(cmd, "%s=%s is not a number; write for example %s=1", limit, text, limit)
			}
			options[limit] = n
		}
		b.put("options", options)
		return nil
	})
}

func newEventPublicIP(f *flags) *cobra.Command {
	set, release := body{}, body{}
	return group(
		&cobra.Command{Use: "public-ip", Short: "Change or release the public IPv4 address"},
		makesEvent(f, &cobra.Command{
			Use: "set ADDRESS", Short: "Give the instance a public address, as an Elastic IP address does", Args: takes(1, 1, "198.51.100.7"),
		}, set, func(_ *cobra.Command, args []string) error {
			set.put("public_ip", args[0])
			return nil
		}),
		makesEvent(f, &cobra.Command{
			Use: "release", Short: "Release the public address",
			Long: `release takes the public address away. As on EC2, an instance with one interface whose configuration has a public address gets another one.`,
			Args: noArgs,
		}, release, func(*cobra.Command, []string) error {
			release.put("public_ip", "release")
			return nil
		}),
	)
}

func newEventRestart(f *flags) *cobra.Command {
	b := body{}
	var file string
	cmd := &cobra.Command{
		Use:   "restart",
		Short: "Stop and start the instance: new times, signatures and public address",
		Long: `restart shows the instance as after a stop and a start: another pendingTime, signatures and public address, and no spot/ any more.

  mock-ec2-metadata event restart --user-data new.sh --keep-ip`,
		Args: noArgs,
	}
	cmd.Flags().StringVar(&file, "user-data", "", "`FILE` with new user data, which this command reads; - is stdin")
	b.yes(cmd, "keep-ip", "keep_ip", "keep the public address, as an Elastic IP address is kept")
	b.yes(cmd, "forget-tokens", "forget_tokens", "refuse session tokens from before")
	return makesEvent(f, cmd, b, func(cmd *cobra.Command, _ []string) error {
		b.put("restart", true)
		if !cmd.Flags().Changed("user-data") {
			return nil
		}
		text, err := readText(cmd, file)
		if err == nil {
			b.put("user_data", text)
		}
		return err
	})
}

func newEventSet(f *flags) *cobra.Command {
	b := body{}
	cmd := &cobra.Command{
		Use:   "set PATH=VALUE...",
		Short: "Set any paths, as metadata: of the configuration does",
		Long: `set gives paths below the version a value, as metadata: of the configuration does. An event does not change what the configuration sets.

  mock-ec2-metadata event set meta-data/instance-action=shutdown`,
		Args: takes(1, anyNumber, "meta-data/instance-action=shutdown"),
	}
	return makesEvent(f, cmd, b, func(cmd *cobra.Command, args []string) error {
		values, err := pairs(cmd, args, "PATH=VALUE, such as meta-data/instance-action=shutdown")
		b.put("set", values)
		return err
	})
}

func newEventUnset(f *flags) *cobra.Command {
	b := body{}
	cmd := &cobra.Command{
		Use:   "unset PATH...",
		Short: "Remove any paths",
		Long:  `unset makes paths below the version absent, and all below them. Listings follow.`,
		Args:  takes(1, anyNumber, "meta-data/product-codes"),
	}
	return makesEvent(f, cmd, b, func(_ *cobra.Command, args []string) error {
		b.put("unset", args)
		return nil
	})
}
