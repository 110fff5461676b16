// Chat templates in the forms that model families use: our own short writings of those forms.
#pragma once

namespace hearth::llm {

struct Family {
  const char* name;
  const char* source;
  const char* bos;
  const char* eos;
  bool system;       // has a system piece
  const char* cue;   //
  const char* seal;  //
};

// ChatML with a default system text, as SmolLM2 has it.
inline constexpr const char* kChatMl =
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}<|im_start|>system\nBe kind<|im_end|>\n"
    "{% endif %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

inline constexpr const char* kLlama3 =
    "{{- bos_token }}\n{%- set ns = namespace(text='') %}\n{%- if messages[0].role == 'system' %}\n"
    "    {%- set ns.text = messages[0]['content']|trim %}\n    {%- set messages = messages[1:] %}\n{%- endif %}\n"
    "{{- '<|start_header_id|>system<|end_header_id|>\n\nToday: ' + strftime_now('%d %b %Y') + '\n\n' + ns.text "
    "+ '<|eot_id|>' }}\n"
    "{%- for m in messages %}\n"
    "    {{- '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content | trim + '<|eot_id|>' }}\n"
    "{%- endfor %}\n{%- if add_generation_prompt %}\n"
    "    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}\n{%- endif %}\n";

inline constexpr const char* kGemma =
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate') }}{% endif %}"
    "{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + m['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}";

inline constexpr const char* kMistral =
    "{{ bos_token }}{% if messages[0].role == 'system' %}{% set sys = messages[0].content %}"
    "{% set loop_messages = messages[1:] %}{% else %}{% set loop_messages = messages %}{% endif %}"
    "{% for m in loop_messages %}{% if m.role == 'user' %}{% if loop.first and sys is defined %}"
    "{{ '[INST] ' + sys + '\n\n' + m.content + ' [/INST]' }}{% else %}{{ '[INST] ' + m.content + ' [/INST]' }}{% endif "
    "%}"
    "{% elif m.role == 'assistant' %}{{ ' ' + m.content.strip() + eos_token }}{% else %}"
    "{{ raise_exception('Only user and assistant') }}{% endif %}{% endfor %}";

inline constexpr const char* kPhi3 =
    "{% for m in messages %}{% if m['role'] in ['system', 'user', 'assistant'] %}"
    "{{'<|' + m['role'] + '|>\n' + m['content'] + '<|end|>\n'}}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}";

// Qwen 3 drops the thoughts of earlier replies, and shows an empty thought before the last one.
inline constexpr const char* kQwen3 =
    "{%- if tools %}\n    {{- '<|im_start|>system\n# Tools\n' }}\n    {%- for tool in tools %}\n"
    "        {{- tool | tojson + '\n' }}\n    {%- endfor %}\n    {{- '<|im_end|>\n' }}\n{%- endif %}\n"
    "{%- set ns = namespace(last=-1) %}\n{%- for m in messages %}\n    {%- if m.role == 'user' %}\n"
    "        {%- set ns.last = loop.index0 %}\n    {%- endif %}\n{%- endfor %}\n"
    "{%- for m in messages %}\n    {%- set content = m.content.split('</think>')[-1].lstrip('\\n') %}\n"
    "    {%- if m.role == 'assistant' and loop.index0 > ns.last %}\n"
    "        {{- '<|im_start|>assistant\n<think>\n\n</think>\n\n' + content + '<|im_end|>\n' }}\n"
    "    {%- else %}\n        {{- '<|im_start|>' + m.role + '\n' + content + '<|im_end|>\n' }}\n    {%- endif %}\n"
    "{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\n' }}\n"
    "    {%- if enable_thinking is defined and enable_thinking is false %}\n        {{- '<think>\n\n</think>\n\n' }}\n"
    "    {%- endif %}\n{%- endif %}";

inline constexpr Family kFamilies[] = {
    {"smollm2", kChatMl, "<|im_start|>", "<|im_end|>", true, "<|im_start|>assistant\n", "<|im_end|>\n"},
    {"llama3", kLlama3, "<|begin_of_text|>", "<|eot_id|>", true, "<|start_header_id|>assistant<|end_header_id|>\n\n",
     "<|eot_id|>"},
    {"gemma", kGemma, "<bos>", "<eos>", false, "<start_of_turn>model\n", "<end_of_turn>\n"},
    {"mistral", kMistral, "<s>", "</s>", false, "", "</s>"},
    {"phi3", kPhi3, "<s>", "<|endoftext|>", true, "<|assistant|>\n", "<|end|>\n"},
    {"qwen3", kQwen3, "", "<|im_end|>", true, "<|im_start|>assistant\n", "<|im_end|>\n"},
    {"plain", "", "<s>", "</s>", true, "assistant:", "\n"},
};

}  // namespace hearth::llm
