package ecs

import (
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// logOptions are the options of the awslogs driver; the first two are required
// of every launch type.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LogConfiguration.html
var logOptions = []string{
	"awslogs-group", "awslogs-region", "awslogs-stream-prefix", "awslogs-create-group", "awslogs-datetime-format", "awslogs-multiline-pattern",
	"mode", "max-buffer-size",
}

// checkLogs checks where and how a container's output is kept.
func checkLogs(container string, l *types.LogConfiguration, region string) error {
	if l == nil {
		return nil
	}
	if err := checkDriver(container, l); err != nil {
		return err
	}
	if bad := disallowed(l.Options); len(bad) > 0 {
		return client("Log driver awslogs disallows options: %s.", strings.Join(bad, ", "))
	}
	var missing []string
	for _, o := range logOptions[:2] {
		if l.Options[o] == "" {
			missing = append(missing, o)
		}
	}
	if len(missing) > 0 {
		return client("Log driver awslogs requires options: %s.", strings.Join(missing, ", "))
	}
	if l.Options["awslogs-stream-prefix"] == "" {
		return client("Fargate requires log configuration options to include awslogs-stream-prefix to support log driver awslogs.")
	}
	if r := l.Options["awslogs-region"]; r != region {
		return client("Log driver awslogs: awslogs-region %s of container '%s' is not supported by Skylift; logs are kept in %s.", r, container, region)
	}
	if v, ok := l.Options["awslogs-create-group"]; ok && v != "true" && v != "false" {
		return wrong("awslogs-create-group", container, "it must be true or false")
	}
	if err := checkEvents(container, l.Options); err != nil {
		return err
	}
	return checkDelivery(container, l.Options)
}

func checkDriver(container string, l *types.LogConfiguration) error {
	switch l.LogDriver {
	case types.LogDriverAwslogs:
	case types.LogDriverSplunk, types.LogDriverAwsfirelens:
		return client("Log driver '%s' of container '%s' is not supported by Skylift; use awslogs.", l.LogDriver, container)
	default:
		return client("%s is not a valid log driver. Must be one of [awslogs, splunk, awsfirelens]", l.LogDriver)
	}
	if len(l.SecretOptions) > 0 {
		return client("The parameter 'secretOptions' of 'container %s' is not supported by Skylift.", container)
	}
	return nil
}

// disallowed returns the options that the driver doesn't have, in order.
func disallowed(options map[string]string) (bad []string) {
	for o := range options {
		if !slices.Contains(logOptions, o) {
			bad = append(bad, o)
		}
	}
	slices.Sort(bad)
	return bad
}

// directive is one of strftime's in awslogs-datetime-format.
var directive = regexp.MustCompile(`%[A-Za-z]`)

// checkEvents checks how lines become events: by a pattern that the first line
// of each has.
func checkEvents(container string, options map[string]string) error {
	pattern, multiline := options["awslogs-multiline-pattern"]
	format, dated := options["awslogs-datetime-format"]
	switch {
	case multiline && dated:
		return client("You cannot configure both the awslogs-datetime-format and awslogs-multiline-pattern options: container '%s' has both.", container)
	case multiline && pattern == "":
		return wrong("awslogs-multiline-pattern", container, "it must not be empty")
	case dated && !directive.MatchString(format):
		return wrong("awslogs-datetime-format", container, "'%s' has no directive of strftime, such as %%Y", format)
	}
	if _, err := regexp.Compile(pattern); err != nil {
		return wrong("awslogs-multiline-pattern", container, "%s", err)
	}
	// What is around the directives is a regular expression, too.
	if _, err := regexp.Compile(directive.ReplaceAllString(format, `(?:\d)`)); err != nil {
		return wrong("awslogs-datetime-format", container, "%s", err)
	}
	return nil
}

// sizeForm is a size as the container engine reads it: 10m, 1.5 GiB, 4096.
var sizeForm = regexp.MustCompile(`(?i)^\d+(\.\d+)? ?([kmgtp]i?b?|b)?$`)

// checkDelivery checks what happens while logs can't be written: with the mode
// non-blocking they go through a buffer, and what doesn't fit is lost.
func checkDelivery(container string, options map[string]string) error {
	mode, given := options["mode"]
	if given && mode != "blocking" && mode != "non-blocking" {
		return wrong("mode", container, "it must be blocking or non-blocking")
	}
	size, given := options["max-buffer-size"]
	switch {
	case given && mode != "non-blocking":
		return wrong("max-buffer-size", container, "it is only supported with 'mode=non-blocking'")
	case given && (!sizeForm.MatchString(size) || !strings.ContainsAny(size, "123456789")):
		return wrong("max-buffer-size", container, "'%s' must be a size such as 25m", size)
	}
	return nil
}
