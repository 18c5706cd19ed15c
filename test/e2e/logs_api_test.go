package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

func TestLogsAPI(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	t.Run("by command", s.testLogsByCommand)
	t.Run("paging", s.testLogsPaging)
	t.Run("of a task", s.testLogsOfTask)
	t.Run("tail", s.testTail)
	t.Run("refused", s.testLogsRefused)
}

func (s *stage) testLogsByCommand(t *testing.T) {
	t.Parallel()
	run := func(query string, args ...string) string {
		return s.aws(t, append(append([]string{"logs"}, args...), "--output", "text", "--query", query)...)
	}
	run("@", "create-log-group", "--log-group-name", "/typed")
	s.awsRefused(t, "ResourceAlreadyExistsException", "The specified log group already exists", "logs", "create-log-group", "--log-group-name", "/typed")
	run("@", "create-log-stream", "--log-group-name", "/typed", "--log-stream-name", "one")
	run("@", "put-retention-policy", "--log-group-name", "/typed", "--retention-in-days", "1")
	if got := run("logGroups[0].[logGroupName,retentionInDays]", "describe-log-groups", "--log-group-name-prefix", "/typed"); got != "/typed\t1" {
		t.Errorf("describe-log-groups: %s", got)
	}
	now := time.Now().UnixMilli()
	run("@", "put-log-events", "--log-group-name", "/typed", "--log-stream-name", "one", "--log-events",
		fmt.Sprintf("timestamp=%d,message=hello", now-1000), fmt.Sprintf("timestamp=%d,message=world", now))
	if got := run("events[].message", "get-log-events", "--log-group-name", "/typed", "--log-stream-name", "one", "--start-from-head"); got != "hello\tworld" {
		t.Errorf("get-log-events: %s", got)
	}
	if got := run("events[].message", "filter-log-events", "--log-group-name", "/typed", "--filter-pattern", "world"); got != "world" {
		t.Errorf("filter-log-events: %s", got)
	}
	if got := run("logStreams[0].[logStreamName,lastEventTimestamp]", "describe-log-streams", "--log-group-name", "/typed", "--order-by", "LastEventTime", "--descending"); got != fmt.Sprintf("one\t%d", now) {
		t.Errorf("describe-log-streams: %s", got)
	}
	run("@", "delete-log-stream", "--log-group-name", "/typed", "--log-stream-name", "one")
	run("@", "delete-log-group", "--log-group-name", "/typed")
	s.awsRefused(t, "ResourceNotFoundException", "The specified log group does not exist", "logs", "describe-log-streams", "--log-group-name", "/typed")
}

// Pages of what several streams hold, in the order of time.
func (s *stage) testLogsPaging(t *testing.T) {
	t.Parallel()
	ctx, l, group := t.Context(), s.clients.logs, "/paging"
	must(l.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &group}))(t)
	start := time.Now().Add(-time.Hour).UnixMilli()
	for i := range 4 {
		stream := fmt.Sprintf("s/%d", i)
		must(l.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &stream}))(t)
		var events []types.InputLogEvent
		for j := range 25 {
			events = append(events, types.InputLogEvent{Timestamp: aws.Int64(start + int64(j*4+i)), Message: aws.String(fmt.Sprint(j*4 + i))})
		}
		must(l.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream, LogEvents: events}))(t)
	}
	filter := func(in cloudwatchlogs.FilterLogEventsInput) (got []string) {
		in.LogGroupName, in.Limit = &group, new(int32(7))
		pages := cloudwatchlogs.NewFilterLogEventsPaginator(l, &in)
		for pages.HasMorePages() {
			for _, e := range must(pages.NextPage(ctx))(t).Events {
				got = append(got, *e.Message)
			}
		}
		return got
	}
	all := filter(cloudwatchlogs.FilterLogEventsInput{Interleaved: new(true)}) //nolint:staticcheck // `aws logs tail` sends it
	for i, m := range all {
		if m != fmt.Sprint(i) {
			t.Fatalf("event %d is %s: %v", i, m, all)
		}
	}
	if len(all) != 100 {
		t.Errorf("%d events", len(all))
	}
	if got := filter(cloudwatchlogs.FilterLogEventsInput{StartTime: aws.Int64(start + 10), EndTime: aws.Int64(start + 15)}); len(got) < 5 || got[0] != "10" || len(got) > 6 {
		t.Errorf("from 10 to 15: %v", got)
	}
	if got := filter(cloudwatchlogs.FilterLogEventsInput{LogStreamNames: []string{"s/1", "s/2"}}); len(got) != 50 {
		t.Errorf("two streams: %v", got)
	}
	if got := filter(cloudwatchlogs.FilterLogEventsInput{LogStreamNamePrefix: new("s/3")}); len(got) != 25 || got[0] != "3" {
		t.Errorf("a prefix: %v", got)
	}
	get := must(l.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: &group, LogStreamName: new("s/0"), Limit: new(int32(10))}))(t)
	if len(get.Events) != 10 || *get.Events[9].Message != "96" {
		t.Errorf("the last ten: %d events", len(get.Events))
	}
	back := must(l.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: &group, LogStreamName: new("s/0"), Limit: new(int32(10)), NextToken: get.NextBackwardToken}))(t)
	if len(back.Events) != 10 || *back.Events[9].Message != "56" {
		t.Errorf("the ten before: %d events", len(back.Events))
	}
	end := must(l.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: &group, LogStreamName: new("s/0"), NextToken: get.NextForwardToken}))(t)
	if len(end.Events) != 0 || *end.NextForwardToken != *get.NextForwardToken {
		t.Errorf("at the end: %d events, token %s after %s", len(end.Events), *end.NextForwardToken, *get.NextForwardToken)
	}
}

// A container's output is there within 2 s, in its stream.
func (s *stage) testLogsOfTask(t *testing.T) {
	t.Parallel()
	arn := s.started(t, s.defineProbe(t, "logged", command("say", "3")))
	task := s.reaches(t, arn, "RUNNING")
	id := arn[strings.LastIndex(arn, "/")+1:]
	in := &cloudwatchlogs.GetLogEventsInput{LogGroupName: new("/probe"), LogStreamName: aws.String("logged/web/" + id), StartFromHead: new(true)}
	var events []types.OutputLogEvent
	took := takes(t, 10*time.Second, "the output is there", func() bool {
		events = must(s.clients.logs.GetLogEvents(t.Context(), in))(t).Events
		return len(events) == 3
	})
	t.Logf("the output was there %s after the task was seen to run", took)
	for i, e := range events {
		at := time.UnixMilli(*e.Timestamp)
		if *e.Message != fmt.Sprintf("line %d", i+1) || at.Before(*task.PullStoppedAt) || at.After(time.Now()) {
			t.Errorf("event %d: %s at %s", i, *e.Message, at)
		}
	}
}

// `aws logs tail --follow`, as version 2 of the CLI has it.
func (s *stage) testTail(t *testing.T) {
	t.Parallel()
	const two = "/usr/bin/aws"
	if out, err := exec.CommandContext(t.Context(), two, "--version").Output(); err != nil || !strings.HasPrefix(string(out), "aws-cli/2") {
		t.Skip("aws logs tail is in version 2 of the CLI, which is not here")
	}
	cmd := exec.CommandContext(t.Context(), two, "--endpoint-url", s.endpoint(), "logs", "tail", "/tailed", "--follow", "--format", "short")
	cmd.Env = s.env()
	ctx, l, group, stream := t.Context(), s.clients.logs, "/tailed", "one"
	must(l.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &group}))(t)
	must(l.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &stream}))(t)
	put := func(message string) {
		must(l.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream, LogEvents: []types.InputLogEvent{
			{Timestamp: aws.Int64(time.Now().UnixMilli()), Message: &message},
		}}))(t)
	}
	put("first")
	out := must(cmd.StdoutPipe())(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := make(chan string)
	go readLines(out, lines)
	for _, message := range []string{"first", "second", "third"} {
		select {
		case line, ok := <-lines:
			if !ok || !strings.HasSuffix(line, message) {
				t.Fatalf("tail printed %q, want %s", line, message)
			}
		case <-time.After(60 * time.Second):
			t.Fatalf("tail did not print %s", message)
		}
		if message != "third" {
			put(map[string]string{"first": "second", "second": "third"}[message])
		}
	}
}

func (s *stage) testLogsRefused(t *testing.T) {
	t.Parallel()
	ctx, l := t.Context(), s.clients.logs
	_, err := l.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: new("/none"), LogStreamName: new("x")})
	refused(t, err, "ResourceNotFoundException", "The specified log group does not exist")
	_, err = l.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: new("/probe"), LogStreamName: new("none")})
	refused(t, err, "ResourceNotFoundException", "The specified log stream does not exist")
	_, err = l.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: new("/probe"), RetentionInDays: new(int32(2))})
	refused(t, err, "InvalidParameterException", "retentionInDays")
	_, err = l.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: new("no good")})
	refused(t, err, "InvalidParameterException", "logGroupName")
	_, err = l.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: new("/keyed"), KmsKeyId: new("arn:aws:kms:x:1:key/y")})
	refused(t, err, "InvalidParameterException", "msKeyId")
}
