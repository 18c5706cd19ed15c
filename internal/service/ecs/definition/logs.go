package definition

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
)

// logOptions are the options of the awslogs driver; the first two are required
// of every launch type.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LogConfiguration.html
var logOptions = []string{
	"awslogs-group", "awslogs-region", "awslogs-stream-prefix", "awslogs-create-group", "awslogs-datetime-format", "awslogs-multiline-pattern",
	"mode", "max-buffer-size",
}

// checkLogs checks where and how a container's output is kept. An option that
// is empty counts as one that isn't there.
func checkLogs(f *ecs.Faults, container string, l *types.LogConfiguration, region string) {
	if l == nil || !checkDriver(f, container, l) {
		return
	}
	if bad := disallowed(l.Options); len(bad) > 0 {
		f.Add("Log driver awslogs disallows options: %s. (Leave them out of logConfiguration of container '%s'.)", strings.Join(bad, ", "), container)
	}
	var missing []string
	for _, o := range logOptions[:2] {
		if l.Options[o] == "" {
			missing = append(missing, o)
		}
	}
	if len(missing) > 0 {
		f.Add("Log driver awslogs requires options: %s. (In logConfiguration of container '%s'.)", strings.Join(missing, ", "), container)
	}
	if l.Options["awslogs-stream-prefix"] == "" {
		f.Add("Fargate requires log configuration options to include awslogs-stream-prefix to support log driver awslogs. (Container '%s'.)", container)
	}
	if r := l.Options["awslogs-region"]; r != region && r != "" {
		f.Add("Log driver awslogs: awslogs-region %s of container '%s' is not supported by Skylift; logs are kept in %s.", r, container, region)
	}
	if v := l.Options["awslogs-create-group"]; v != "" {
		if _, err := strconv.ParseBool(v); err != nil {
			setting(f, "awslogs-create-group", container, "it must be true or false")
		}
	}
	checkEvents(f, container, l.Options)
	checkDelivery(f, container, l.Options)
}

// checkDriver says whether the driver is one whose options can be checked.
func checkDriver(f *ecs.Faults, container string, l *types.LogConfiguration) bool {
	if len(l.SecretOptions) > 0 {
		f.Add("The parameter 'secretOptions' of 'container %s' is not supported by Skylift.", container)
	}
	switch l.LogDriver {
	case types.LogDriverAwslogs:
		return true
	case types.LogDriverSplunk, types.LogDriverAwsfirelens:
		f.Add("Log driver '%s' of container '%s' is not supported by Skylift; use awslogs.", l.LogDriver, container)
	default:
		f.Add("%s is not a valid log driver. Must be one of [awslogs, splunk, awsfirelens] (Container '%s'; Skylift has awslogs.)", l.LogDriver, container)
	}
	return false
}

// disallowed returns the options that the driver doesn't have, in order.
func disallowed(options map[string]string) (bad []string) {
	for o, v := range options {
		if v != "" && !slices.Contains(logOptions, o) {
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
func checkEvents(f *ecs.Faults, container string, options map[string]string) {
	pattern, format := options["awslogs-multiline-pattern"], options["awslogs-datetime-format"]
	if pattern != "" && format != "" {
		f.Add("You cannot configure both the awslogs-datetime-format and awslogs-multiline-pattern options: container '%s' has both.", container)
	}
	if format != "" && !directive.MatchString(format) {
		setting(f, "awslogs-datetime-format", container, "'%s' has no directive of strftime, such as %%Y", format)
	}
	if _, err := regexp.Compile(pattern); err != nil {
		setting(f, "awslogs-multiline-pattern", container, "%s", err)
	}
	// What is around the directives is a regular expression, too.
	if _, err := regexp.Compile(directive.ReplaceAllString(format, `(?:\d)`)); err != nil {
		setting(f, "awslogs-datetime-format", container, "%s", err)
	}
}

// sizeForm is a size as the container engine reads it: 10m, 1.5 GiB, 4096.
var sizeForm = regexp.MustCompile(`(?i)^\d+(\.\d+)? ?([kmgtp]i?b?|b)?$`)

// checkDelivery checks what happens while logs can't be written: with the mode
// non-blocking, which is the default, they go through a buffer, and what doesn't
// fit is lost.
func checkDelivery(f *ecs.Faults, container string, options map[string]string) {
	mode, size := options["mode"], options["max-buffer-size"]
	if mode != "" && mode != "blocking" && mode != "non-blocking" {
		setting(f, "mode", container, "it must be blocking or non-blocking")
	}
	switch {
	case size != "" && mode == "blocking":
		setting(f, "max-buffer-size", container, "it is only supported with 'mode=non-blocking'")
	case size != "" && (!sizeForm.MatchString(size) || !strings.ContainsAny(size, "123456789")):
		setting(f, "max-buffer-size", container, "'%s' must be a size such as 25m", size)
	}
}
