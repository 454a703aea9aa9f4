package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/control"
)

// faultEffects are the flags of effects, of which a fault has one. A delay goes with each, or alone.
func faultEffects() []string {
	return []string{
		"status", "reset", "hang", "drip", "stall", "cut", "truncate", "body", "redirect", "no-ttl", "tokens", "token-lost", "throttle",
		"expires-in", "expired", "credentials-code", "skew",
	}
}

func newFaultAdd(f *flags) *cobra.Command {
	b := body{}
	var id string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Add a fault",
		Long: `add adds a fault and prints it, its id first. It is for the requests for which all of --path, --method, --version, --client and
--user-agent hold, and without those for all of the metadata service. Of these it hits the dose: --percent, --skip, --count, --every,
--for and --until, without those all. It has one effect; --delay and --jitter go with each, or alone.

  mock-ec2-metadata fault add --id f --path 'meta-data/iam/**' --status 503 --count 2
  mock-ec2-metadata fault add --path api/token --method PUT --token-lost
  mock-ec2-metadata fault add --path api/token --delay 300ms --percent 20 --seed 7
  mock-ec2-metadata fault add --throttle 5:10 --throttle-answer drop
  mock-ec2-metadata fault add --expires-in 5m

In a pattern, * stands for one segment, and ** at the end for any rest. Faults that break credentials hand out made-up keys.`,
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().Var(idFlag(&id), "id", "`ID` of the fault; default: one is made up. The same fault under the same id changes nothing")
	b.matchFlags(cmd)
	b.doseFlags(cmd)
	b.effectFlags(cmd)
	jsonFlag(cmd, &asJSON)
	run := withClient(f, func(cmd *cobra.Command, client *control.Client, _ []string) error {
		text, err := json.Marshal(b)
		if err != nil {
			return err
		}
		r, _, err := client.PutFault(cmd.Context(), id, text)
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(cmd.OutOrStdout(), r)
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), faultLine(&r))
		return err
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkEffects(cmd, b); err != nil {
			return err
		}
		return run(cmd, args)
	}
	return addControl(cmd, f)
}

// matchFlags adds the flags that say which requests a fault is for.
func (b body) matchFlags(cmd *cobra.Command) {
	b.list(cmd, "path", "match.paths", "only paths below the version that fit a `PATTERN`, such as meta-data/iam/** or api/token; repeatable")
	b.list(cmd, "method", "match.methods", "only requests of a `METHOD`, such as PUT; repeatable")
	b.words(cmd, "version", "match.version", []string{"v1", "v2"}, "only requests of a `VERSION` of IMDS: v1 or v2")
	b.list(cmd, "client", "match.clients", "only clients in a `CIDR` or at an address; repeatable")
	b.flag(cmd, "user-agent", "match.user_agent", parseText, "only clients whose User-Agent contains a `TEXT`")
	completeFlag(cmd, "method", []string{"GET", "HEAD", "PUT"})
}

// doseFlags adds the flags that say how many requests a fault hits.
func (b body) doseFlags(cmd *cobra.Command) {
	b.flag(cmd, "percent", "dose.percent", parseCount(0), "hit so many `PERCENT` of them, at random")
	b.flag(cmd, "seed", "dose.seed", parseInteger, "`NUMBER` that makes --percent hit the same requests again")
	b.flag(cmd, "skip", "dose.skip", parseCount(0), "leave the first `N` alone")
	b.flag(cmd, "count", "dose.count", parseCount(0), "hit `N` at most")
	b.flag(cmd, "every", "dose.every", parseCount(1), "hit each `N`-th")
	b.flag(cmd, "for", "dose.for", parseDuration, "end after a `DURATION`, such as 10m")
	b.flag(cmd, "until", "dose.until", parseTime, "end at a `TIME` of RFC 3339")
}

// effectFlags adds the flags that say what a fault does.
func (b body) effectFlags(cmd *cobra.Command) {
	bytes := parseCount(0)
	b.flag(cmd, "delay", "delay", parseDuration, "wait a `DURATION` before the answer")
	b.flag(cmd, "jitter", "jitter", parseDuration, "make the delay longer or shorter by up to a `DURATION`, at random")

	b.flag(cmd, "status", "status", parseCount(1), "answer with a `STATUS` from 400 to 599")
	b.flag(cmd, "retry-after", "retry_after", parseDuration, "send Retry-After with --status, a `DURATION`")
	b.yes(cmd, "reset", "reset", "reset the connection")
	b.yes(cmd, "hang", "hang", "never answer")
	b.flag(cmd, "drip", "drip", parseDuration, "send the body byte by byte, a `DURATION` apart")
	b.flag(cmd, "stall", "stall", bytes, "stop after `N` bytes of the body, and keep the connection")
	b.flag(cmd, "cut", "cut", bytes, "close the connection after `N` bytes of the body")
	b.flag(cmd, "truncate", "truncate", bytes, "send only `N` bytes of the body, with a Content-Length that fits")
	b.words(cmd, "body", "body", []string{"empty", "html"}, "replace the body: `KIND` is empty or html")
	b.yes(cmd, "redirect", "redirect", "redirect the client")
	b.yes(cmd, "no-ttl", "no_ttl", "leave the header with a token's TTL out")
	b.words(cmd, "tokens", "tokens", []string{"refuse", "forget"}, "`WHAT` happens to session tokens: refuse all, or forget those from before")
	b.yes(cmd, "token-lost", "token_lost", "take requests for a token, and do not answer, as with a hop limit that is too low")
	cmd.Flags().Var(&bodyFlag{parse: parseThrottle, store: func(v any) {
		limit, _ := v.(body)
		for key, value := range limit { // beside the answer, which may come first
			b.put("throttle."+key, value)
		}
	}}, "throttle", "limit each client to `RATE[:BURST]` requests a second; BURST of them may come at once, by default as many")
	b.flag(cmd, "throttle-answer", "throttle.answer", parseThrottleAnswer, "what those beyond --throttle get: `WHAT` is 503 (default) or drop")
	b.flag(cmd, "expires-in", "credentials.expires_in", parseDuration, "let credentials expire in a `DURATION`, but not later than they do")
	b.yes(cmd, "expired", "credentials.expired", "hand out expired credentials, made-up ones")
	b.flag(cmd, "credentials-code", "credentials.code", parseText, "answer with a `CODE` in place of credentials, such as AssumeRoleUnauthorizedAccess")
	b.flag(cmd, "skew", "skew", parseShift, "shift the times of answers by a `DURATION`, which may be negative")
	completeFlag(cmd, "throttle-answer", []string{"503", "drop"})
}

// checkEffects refuses a fault without an effect, and one with several.
func checkEffects(cmd *cobra.Command, b body) error {
	given := func(name string) bool {
		flag := cmd.Flags().Lookup(name)
		return flag.Changed && (flag.NoOptDefVal == "" || flag.Value.String() == "true")
	}
	var effects []string
	for _, name := range faultEffects() {
		if given(name) {
			effects = append(effects, "--"+name)
		}
	}
	switch {
	case len(effects) > 1:
		return usagef(cmd, "a fault has one effect, but %s are there; add a fault for each", strings.Join(effects, " and "))
	case b.has("retry_after") && !given("status"):
		return usagef(cmd, "--retry-after goes with --status; add for example: --status 503")
	case given("throttle-answer") && !given("throttle"):
		return usagef(cmd, "--throttle-answer goes with --throttle; add for example: --throttle 5:10")
	case len(effects) == 0 && !b.has("delay"):
		return usagef(cmd, "an effect is missing; write one of --%s, or --delay", strings.Join(faultEffects(), ", --"))
	default:
		return nil
	}
}
