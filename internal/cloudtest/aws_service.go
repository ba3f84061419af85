package cloudtest

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// awsService is one endpoint of one of AWS' services.
type awsService struct {
	aws      *AWS
	name     string // as signatures have it
	region   awsRegion
	protocol awsProtocol
	actions  awsActions
}

// awsProtocol is how a service is spoken to.
type awsProtocol string

const (
	awsJSON awsProtocol = "json" // AWS JSON 1.1 (smithy.io, "AWS JSON 1.1 protocol")
	awsXML  awsProtocol = "xml"  // AWS Query (smithy.io, "AWS Query protocol")
)

// awsActions performs what a service does. The lock of AWS is held.
type awsActions struct {
	do func(c *awsCall) (reply any, wrong *awsError)
}

// awsCall is one call of an action.
type awsCall struct {
	action string
	region awsRegion
	req    *http.Request
	body   []byte
	form   url.Values // of the query protocol
	// who asks; sign finds it out.
	who  awsPrincipal
	sign func() *awsError
}

// read reads the input of the JSON protocol.
func (c *awsCall) read(into any) *awsError {
	d := json.NewDecoder(bytes.NewReader(c.body))
	if err := d.Decode(into); err != nil {
		return awsInvalid("SerializationException", "")
	}
	return nil
}

const maxAWSBody = 1 << 20

// ServeHTTP performs a call.
func (s awsService) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, maxAWSBody))
	if err != nil {
		return
	}
	s.aws.mu.Lock()
	reply, action, wrong := s.call(req, body)
	undated := s.aws.knobs.Undated
	s.aws.mu.Unlock()
	w.Header().Set("Date", s.aws.net.Now().UTC().Format(http.TimeFormat))
	if undated {
		w.Header()["Date"] = nil
	}
	w.Header().Set("X-Amzn-Requestid", awsRequestID)
	if s.protocol == awsXML {
		writeAWSXML(w, action, reply, wrong)
		return
	}
	writeAWSJSON(w, reply, wrong)
}

const awsRequestID = "4f0b8f3c-8a2d-4d6e-9d67-0a3f4f6b2a10"

func (s awsService) call(req *http.Request, body []byte) (reply any, action string, wrong *awsError) {
	c := &awsCall{region: s.region, req: req, body: body}
	media := req.Header.Get("Content-Type")
	switch {
	case req.Method != http.MethodPost || req.URL.Path != "/":
		return nil, "", awsInvalid("UnknownOperationException", "")
	case s.protocol == awsXML:
		form, err := url.ParseQuery(string(body))
		if err != nil || !strings.HasPrefix(media, "application/x-www-form-urlencoded") {
			return nil, "", awsInvalid("MalformedQueryString", "the body is not a form")
		}
		if v := form.Get("Version"); v != "2011-06-15" {
			return nil, "", awsInvalid("InvalidAction", "Could not find operation %s for version %s", form.Get("Action"), v)
		}
		c.form, c.action = form, form.Get("Action")
	case media != "application/x-amz-json-1.1":
		return nil, "", awsInvalid("UnknownOperationException", "")
	default:
		prefix := map[string]string{"ecr": "AmazonEC2ContainerRegistry_V20150921.", "ecr-public": "SpencerFrontendService."}[s.name]
		name, ok := strings.CutPrefix(req.Header.Get("X-Amz-Target"), prefix)
		if !ok {
			return nil, "", awsInvalid("UnknownOperationException", "")
		}
		c.action = name
	}
	c.sign = func() *awsError {
		var wrong *awsError
		c.who, wrong = s.aws.authenticate(req, body, s.name, s.region.name)
		return wrong
	}
	reply, wrong = s.actions.do(c)
	return reply, c.action, wrong
}

func writeAWSJSON(w http.ResponseWriter, reply any, wrong *awsError) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if wrong != nil {
		w.WriteHeader(wrong.status)
		_, _ = w.Write(wrong.json())
		return
	}
	_ = json.NewEncoder(w).Encode(reply)
}

func (e *awsError) json() []byte {
	// The services write the field with either letter; clients take both.
	b, err := json.Marshal(map[string]string{"__type": e.code, "message": e.message})
	if err != nil {
		panic(err)
	}
	return b
}

// xml is an error of the query protocol, which has a status and words of its own for
// what is wrong with who asks.
func (e *awsError) xml() (status int, body []byte) {
	type fault struct {
		Type    string
		Code    string
		Message string
	}
	status, code := e.status, e.code
	words := map[string]string{
		"AccessDeniedException": "AccessDenied", "UnrecognizedClientException": "InvalidClientTokenId",
		"InvalidSignatureException": "SignatureDoesNotMatch", "ExpiredTokenException": "ExpiredToken",
		"MissingAuthenticationTokenException": "MissingAuthenticationToken", "IncompleteSignatureException": "IncompleteSignature",
	}
	if word, ok := words[code]; ok && !strings.HasPrefix(e.message, "Token expired") {
		code = word
		if word != "IncompleteSignature" {
			status = http.StatusForbidden
		}
	}
	b, err := xml.Marshal(struct {
		XMLName   xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
		Error     fault
		RequestID string `xml:"RequestId"`
	}{Error: fault{"Sender", code, e.message}, RequestID: awsRequestID})
	if err != nil {
		panic(err)
	}
	return status, b
}

func writeAWSXML(w http.ResponseWriter, action string, reply any, wrong *awsError) {
	w.Header().Set("Content-Type", "text/xml")
	if wrong != nil {
		status, body := wrong.xml()
		w.WriteHeader(status)
		_, _ = w.Write(body)
		return
	}
	type meta struct {
		RequestID string `xml:"RequestId"`
	}
	e := xml.NewEncoder(w)
	start := xml.StartElement{Name: xml.Name{Local: action + "Response"}, Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: "https://sts.amazonaws.com/doc/2011-06-15/"}}}
	_ = e.EncodeToken(start)
	_ = e.EncodeElement(reply, xml.StartElement{Name: xml.Name{Local: action + "Result"}})
	_ = e.EncodeElement(meta{awsRequestID}, xml.StartElement{Name: xml.Name{Local: "ResponseMetadata"}})
	_ = e.EncodeToken(start.End())
	_ = e.Flush()
}

// AWSFault is an error of one of AWS' services, as the host writes errors: Throttling,
// for one, or InternalFailure.
func AWSFault(host string, status int, code, message string) Fault {
	e := &awsError{status, code, message}
	if strings.HasPrefix(host, "sts") {
		_, body := e.xml()
		return Fault{Host: host, Status: status, Header: map[string]string{"Content-Type": "text/xml"}, Body: string(body)}
	}
	return Fault{Host: host, Status: status, Header: map[string]string{"Content-Type": "application/x-amz-json-1.1"}, Body: string(e.json())}
}
