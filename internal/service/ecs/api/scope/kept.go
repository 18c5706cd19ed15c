package scope

// Why what is kept has no effect.
const (
	NoInsights = "there are no metrics"
	NoExec     = "no command can be run in a task yet"
	NoFaults   = "containers have no fault injection endpoints"
)
