package rewrite

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Answer is an answer that no target gave.
type Answer struct {
	Status      int
	title       string // status and reason
	contentType string
	body        string
	location    []byte // of a redirect
	grpc        bool   // to a call of gRPC
}

// reasons are an ALB's own answers, in its words.
var reasons = map[int]string{
	400: "Bad Request",
	405: "Method Not Allowed",
	408: "Request Time-out",
	414: "Request-URI Too Large",
	463: "Forwarded For Too Many",
	464: "Incompatible Protocol Versions",
	500: "Internal Server Error",
	501: "Not Implemented",
	502: "Bad Gateway",
	503: "Service Temporarily Unavailable",
	504: "Gateway Time-out",
	505: "HTTP Version Not Supported",
	507: "Insufficient Storage",
}

// Failure is the page that the balancer answers with when a request fails.
func Failure(status int) Answer {
	return page(status, reasons[status])
}

// OfGRPC is the answer to a call of gRPC, whose client looks for the call's status, too.
func (a Answer) OfGRPC() Answer {
	a.grpc = true
	return a
}

// page is an answer that says no more than its status.
func page(status int, reason string) Answer {
	title := strconv.Itoa(status) + " " + reason
	body := "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title +
		"</h1></center>\r\n</body>\r\n</html>\r\n"
	return Answer{Status: status, title: title, contentType: "text/html", body: body}
}

// PlainToSecure is the page for a request over HTTP on a listener over HTTPS.
var PlainToSecure = Answer{
	Status: 400, title: "400 Bad Request", contentType: "text/html",
	body: "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n" +
		"<center>The plain HTTP request was sent to HTTPS port</center>\r\n</body>\r\n</html>\r\n",
}

// Fixed is the answer of a fixed-response action.
func Fixed(status int, contentType, body string) Answer {
	if contentType != "" && !strings.Contains(contentType, "charset") {
		contentType += "; charset=utf-8"
	}
	return Answer{Status: status, title: strconv.Itoa(status) + " " + http.StatusText(status), contentType: contentType, body: body}
}

// AppendAnswer appends an answer, without its body to a HEAD request.
func AppendAnswer(out []byte, a Answer, set *Headers, now time.Time, keep, toHead bool) []byte {
	out = append(append(append(out, "HTTP/1.1 "...), a.title...), "\r\n"...)
	if set == nil || !set.anonymous {
		out = append(out, "Server: awselb/2.0\r\n"...)
	}
	out = append(out, "Date: "...)
	out = now.UTC().AppendFormat(out, http.TimeFormat)
	if a.contentType != "" {
		out = append(append(out, "\r\nContent-Type: "...), a.contentType...)
	}
	out = AppendLength(append(out, "\r\n"...), int64(len(a.body)))
	if a.grpc {
		out = append(out, "grpc-status: 14\r\ngrpc-message: unavailable\r\n"...)
	}
	if a.location != nil {
		out = AppendField(out, []byte("Location"), a.location)
	}
	out = append(AppendConnection(set.append(out), keep), "\r\n"...)
	if !toHead {
		out = append(out, a.body...)
	}
	return out
}
