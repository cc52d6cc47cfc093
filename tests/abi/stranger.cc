/* SPDX-License-Identifier: MIT
 * A plugin in C++ that takes events: the header is enough for strangers who write no C.
 */
#include <renewd/plugin.h>

namespace {

const renewd_services *services;

int32_t open(void *, const renewd_open_in *in, renewd_open_out *)
{
    services = in->services;
    return 0;
}

int32_t needs_refresh(void *, const renewd_needs_refresh_in *, renewd_needs_refresh_out *)
{
    return 0;
}

int32_t refresh(void *, const renewd_refresh_in *in, renewd_refresh_out *)
{
    return services->fail(in->call, RENEWD_TRANSIENT, nullptr, "there is no such provider");
}

int32_t on_answer(void *, const renewd_on_answer_in *in, renewd_on_answer_out *out)
{
    out->token_refused = in->reply->status == 403;
    return 0;
}

int32_t take_event(void *, const renewd_take_event_in *in, renewd_take_event_out *out)
{
    out->event = in->message->body;
    out->event_length = in->message->length;
    out->event_id = services->json_text(in->message->json, "id");
    return RENEWD_EVENT_TAKE;
}

int32_t send_events(void *, const renewd_send_events_in *in, renewd_send_events_out *out)
{
    if (!in->reply) {
        services->request(in->call, "POST", "https://api.example.com/events");
        return RENEWD_WAIT;
    }
    out->became = in->reply->status == 200 ? RENEWD_SENT : RENEWD_SENT_LATER;
    return RENEWD_DONE;
}

renewd_slot pixel_slot()
{
    renewd_slot s = renewd_slot();
    s.size = sizeof s;
    s.name = "pixel";
    s.type = RENEWD_TEXT;
    s.direction = RENEWD_IN;
    s.destination = 1;
    return s;
}

const renewd_slot pixel = pixel_slot();
const renewd_slot *const slots[] = {&pixel, nullptr};

renewd_plugin described()
{
    renewd_plugin p = renewd_plugin();
    p.size = sizeof p;
    p.minor = RENEWD_MINOR;
    p.replay = RENEWD_REPLAY_SINGLE_USE;
    p.name = "stranger_cc";
    p.version = "1.0";
    p.slots = slots;
    p.open = open;
    p.needs_refresh = needs_refresh;
    p.refresh = refresh;
    p.on_answer = on_answer;
    p.take_event = take_event;
    p.send_events = send_events;
    p.event_batch = 50;
    return p;
}

} // namespace

const renewd_plugin *renewd_plugin_v1()
{
    static const renewd_plugin plugin = described();
    return &plugin;
}
