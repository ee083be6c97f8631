"""The texts that reporters send when a configuration gives none."""

from __future__ import annotations

default_subject_template = (
    "{{ {'success': '☺', 'failure': '☠'}.get(result_names[results] if results is not none else '', '☝') }} "
    "{{ buildbot_title }}: {{ projects if is_buildset else buildername }} - "
    "{% if build is defined %}{{ build['state_string'] }}{% else %}{{ status_detected }}{% endif %}"
    "{% set names = buildset['sourcestamps'] | map(attribute='branch') | select | unique | list if buildset else [] %}"
    "{% if names %} ({{ names | join(', ') }}){% endif %}"
)

default_body_template_plain = """\
{{ status_detected | capitalize }}: {{ buildername }}, {{ projects }}

{{ build_url }}

State:    {{ build['state_string'] }}
Revision: {{ build['properties'].get('got_revision', build['properties'].get('revision', [none]))[0] or '(not known)' }}
Worker:   {{ workername }}
Reason:   {{ buildset['reason'] or '(not known)' }}
Authors:  {{ ', '.join(blamelist) or '(not known)' }}
{% if build['steps'] %}

Steps:
{% for step in build['steps'] if not step['hidden'] %}
{% set result = result_names[step['results']] if step['results'] is not none else 'runs' %}
  {{ step['number'] }}. {{ step['name'] }}: {{ result }}
{% for log in step['logs'] %}
       {{ log['name'] }}: {{ log['url'] }}
{% endfor %}
{% endfor %}
{% endif %}
"""

default_body_template_html = """\
<p>{{ status_detected | capitalize }}:
<a href="{{ build_url | e }}">{{ buildername | e }}</a>, {{ projects | e }}</p>
<ul>
<li>State: {{ build['state_string'] | e }}</li>
{% set revisions = build['properties'].get('got_revision', build['properties'].get('revision', [none])) %}
<li>Revision: {{ (revisions[0] or '(not known)') | e }}</li>
<li>Worker: {{ workername | e }}</li>
<li>Reason: {{ (buildset['reason'] or '(not known)') | e }}</li>
<li>Authors: {{ (', '.join(blamelist) or '(not known)') | e }}</li>
</ul>
{% if build['steps'] %}
<ul>
{% for step in build['steps'] if not step['hidden'] %}
<li style="{{ results_style[step['results']] }}">{{ step['number'] }}. {{ step['name'] | e }}:
{{ result_names[step['results']] if step['results'] is not none else 'runs' }}
{% for log in step['logs'] %}
 <a href="{{ log['url'] | e }}">{{ log['name'] | e }}</a>
{% endfor %}
</li>
{% endfor %}
</ul>
{% endif %}
"""

buildset_body_template_plain = """\
{{ status_detected | capitalize }}: {{ projects }}

Reason:  {{ buildset['reason'] or '(not known)' }}
Authors: {{ ', '.join(blamelist) or '(not known)' }}

{% for build in builds %}
  {{ build['builder']['name'] }}: {{ build['state_string'] }}
       {{ build['url'] }}
{% endfor %}
"""

buildset_body_template_html = """\
<p>{{ status_detected | capitalize }}: {{ projects | e }}</p>
<ul>
<li>Reason: {{ (buildset['reason'] or '(not known)') | e }}</li>
<li>Authors: {{ (', '.join(blamelist) or '(not known)') | e }}</li>
</ul>
<ul>
{% for build in builds %}
<li><a href="{{ build['url'] | e }}">{{ build['builder']['name'] | e }}</a>: {{ build['state_string'] | e }}</li>
{% endfor %}
</ul>
"""

default_missing_worker_subject_template = "{{ buildbot_title }}: worker {{ worker['name'] }} is missing"

default_missing_template_plain = """\
The worker {{ worker['name'] }} of {{ buildbot_title }} has gone and not come back.

It was connected last at {{ worker['last_connection'] or '(not known)' }}.
{% if worker.get('workerinfo') and worker['workerinfo'].get('admin') %}
Who looks after it, as it says itself: {{ worker['workerinfo']['admin'] }}
{% endif %}

{{ buildbot_url }}
"""

default_missing_template_html = """\
<p>The worker {{ worker['name'] | e }} of <a href="{{ buildbot_url | e }}">{{ buildbot_title | e }}</a> has gone and not
come back.</p>
<p>It was connected last at {{ (worker['last_connection'] or '(not known)') | e }}.</p>
{% if worker.get('workerinfo') and worker['workerinfo'].get('admin') %}
<p>Who looks after it, as it says itself: {{ worker['workerinfo']['admin'] | e }}</p>
{% endif %}
"""
