// Package logs answers CloudWatch Logs' API.
//
// Groups and streams are records. Their events are in the log store, under the
// records' ids. So nobody sees the events of a deleted group or stream again, not
// even in a new one of the same name. Run frees their disk space.
package logs

import (
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/logstore"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API has a handler for each operation.
type API struct {
	db     store.DB
	events *logstore.Store
	ns     arn.Namespace
	log    *slog.Logger
	tails  atomic.Int32 // Live Tail sessions
}

// Config is what an API needs.
type Config struct {
	DB        store.DB
	Events    *logstore.Store
	Namespace arn.Namespace
	Log       *slog.Logger
}

// New returns an API over c's records and events.
func New(c Config) *API {
	return &API{db: c.DB, events: c.Events, ns: c.Namespace, log: c.Log.With("service", "logs")}
}

// Operations lists what the API answers to. AWS has ignored sequenceToken since 2023, and interleaved since 2019.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateLogGroup", a.CreateLogGroup).Makes("log-group: logGroupName").Takes("logGroupName logGroupClass=STANDARD tags").
			Checks(newGroupFaults),
		wire.Op("CreateLogStream", a.CreateLogStream).On("log-stream: logGroupName logStreamName").Takes("logGroupName logStreamName"),
		wire.Op("DeleteLogGroup", a.DeleteLogGroup).On("log-group: logGroupName").Takes("logGroupName"),
		wire.Op("DeleteLogStream", a.DeleteLogStream).On("log-stream: logGroupName logStreamName").Takes("logGroupName logStreamName"),
		wire.Op("DeleteRetentionPolicy", a.DeleteRetentionPolicy).On("log-group: logGroupName").Takes("logGroupName"),
		wire.Op("DescribeLogGroups", a.DescribeLogGroups).On("log-group: *").Takes("limit logGroupClass logGroupIdentifiers logGroupNamePattern logGroupNamePrefix nextToken"),
		wire.Op("DescribeLogStreams", a.DescribeLogStreams).On("log-group: logGroupName|logGroupIdentifier").Takes("descending limit logGroupIdentifier logGroupName logStreamNamePrefix nextToken orderBy"),
		wire.Op("FilterLogEvents", a.FilterLogEvents).On("log-group: logGroupName|logGroupIdentifier").Takes("endTime filterPattern interleaved limit logGroupIdentifier logGroupName logStreamNamePrefix logStreamNames nextToken startTime"),
		wire.Op("GetLogEvents", a.GetLogEvents).On("log-stream: logGroupName|logGroupIdentifier logStreamName").Takes("endTime limit logGroupIdentifier logGroupName logStreamName nextToken startFromHead startTime"),
		wire.Op("ListTagsForResource", a.ListTagsForResource).On("log-group: resourceArn").Takes("resourceArn"),
		wire.Op("PutLogEvents", a.PutLogEvents).On("log-stream: logGroupName logStreamName").Takes("logEvents{*} logGroupName logStreamName sequenceToken"),
		wire.Op("PutRetentionPolicy", a.PutRetentionPolicy).On("log-group: logGroupName").Takes("logGroupName retentionInDays").
			Checks(retentionFaults),
		wire.OpEvents("StartLiveTail", a.StartLiveTail, tailEvents...).On("log-group: logGroupIdentifiers").Takes("logEventFilterPattern logGroupIdentifiers logStreamNamePrefixes logStreamNames").
			Checks(tailFaults),
		wire.Op("TagResource", a.TagResource).On("log-group: resourceArn").Takes("resourceArn tags"),
		wire.Op("UntagResource", a.UntagResource).On("log-group: resourceArn").Takes("resourceArn tagKeys"),
	}
}

func invalid(format string, args ...any) error {
	return &types.InvalidParameterException{Message: new(fmt.Sprintf(format, args...))}
}

func noGroup(string) error {
	return &types.ResourceNotFoundException{Message: new("The specified log group does not exist.")}
}

func noStream(string) error {
	return &types.ResourceNotFoundException{Message: new("The specified log stream does not exist.")}
}

// pages is how groups and streams are listed
// (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogStreams.html).
var pages = handler.Pages{Default: 50, Most: 50, BadToken: func(string) error { return badToken() }}

func badToken() error { return invalid("The specified nextToken is invalid.") }

var (
	groupName  = regexp.MustCompile(`^[.\-_/#A-Za-z0-9]{1,512}$`)
	streamName = regexp.MustCompile(`^[^:*\x00]{1,512}$`)
)

func checkGroupName(name string) error {
	if !groupName.MatchString(name) {
		return invalid("Value '%s' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+, 1 to 512 characters", name)
	}
	return reservedFault(name)
}

func reservedFault(name string) error {
	if strings.HasPrefix(name, "aws/") {
		return invalid("Log groups starting with AWS/ are reserved for AWS.")
	}
	return nil
}

func checkStreamName(name string) error {
	if !streamName.MatchString(name) {
		return invalid("Value '%s' at 'logStreamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [^:*]*, 1 to 512 characters", name)
	}
	return nil
}

// groupOf returns the name of a group. A request has either its name, or an identifier
// that is its name or ARN.
func (a *API) groupOf(name, identifier *string) (string, error) {
	switch {
	case name != nil && identifier != nil:
		return "", invalid("LogGroup name and LogGroup ARN are mutually exclusive parameters.")
	case name != nil:
		return *name, nil
	case identifier == nil:
		return "", invalid("Either logGroupName or logGroupIdentifier must be specified.")
	}
	return a.identified(*identifier)
}

// identified returns the name of a group, given its name or its ARN. The ARN may end
// in ":*".
func (a *API) identified(id string) (string, error) {
	if !strings.HasPrefix(id, "arn:") {
		return id, nil
	}
	r, err := arn.Parse(id)
	name, ok := strings.CutPrefix(r.Resource, "log-group:")
	name = strings.TrimSuffix(name, ":*")
	if err != nil || !ok || r.Service != "logs" || strings.Contains(name, ":") {
		return "", invalid("The specified log group identifier '%s' is not valid.", id)
	}
	if r.Region != a.ns.Region || r.Account != a.ns.Account {
		return "", noGroup(name)
	}
	return name, nil
}
