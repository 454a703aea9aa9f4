package fault

import "mock-ec2-metadata/internal/config"

// Effects are what Rule.Effect can return.
func Effects() []string { return config.FaultEffects() }

// Effect names what the rule does to an answer.
func (r *Rule) Effect() string { return r.Spec.Effect() }
