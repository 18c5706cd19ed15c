package ecs

// InsightsDisabled is what Skylift has of Container Insights. Other values are kept.
const InsightsDisabled = "disabled"
