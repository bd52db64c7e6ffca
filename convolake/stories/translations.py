"""Texts in other languages: fewer topics, the same form."""

from convolake.stories.topics import ENGLISH, Language, Lines, Phrases

SPANISH = Language(
    code="es",
    share=0.08,
    phrases=Phrases(
        fallbacks=("Perdona, no te he entendido. ¿Puedes decirlo de otra manera?",),
        wants_human=("Quiero hablar con una persona, por favor.", "un agente pls"),
        hands_over=("Te paso con una compañera. Un momento, por favor.",),
        nobody_free=("Ahora mismo no hay nadie libre. Te escribiremos en cuanto sea posible.",),
        agent_hellos=(
            "Hola {name}, ya he leído lo que escribiste.",
            "¡Buenas! Sigo yo desde aquí.",
        ),
        agent_checks=("Lo estoy mirando con el almacén de {city}.", "¿Fue el {day}, verdad?"),
        answers=("Sí, exacto", "vale", "Sí, el pedido {order}"),
        thanks=("¡Muchas gracias!", "Perfecto, gracias 🙏", "genial"),
        goodbyes=("¡De nada! Que tengas un buen día.",),
        not_solved=("Hola otra vez, sigue sin solucionarse.",),
    ),
    lines={
        "delivery_status": Lines(
            openings=(
                "¿Dónde está mi pedido {order}?",
                "hola, mi paquete todavía no llega a {city}",
            ),
            questions=("Lo miro enseguida. ¿Cuál es el número de pedido?",),
            details=("{order}", "Es el {order}"),
            solutions=("El pedido {order} llega el {day} a {city}.",),
        ),
        "refund": Lines(
            openings=("¿Cuándo me devuelven los {amount}?", "Quiero devolver el producto"),
            questions=("Claro. ¿De qué pedido se trata?",),
            details=("{order}", "Lo envié el {day}"),
            solutions=("Hemos reembolsado {amount}. El banco tarda dos o tres días.",),
        ),
        "login": Lines(
            openings=("No puedo entrar en mi cuenta", "no me llega el correo de la contraseña"),
            questions=("¿Ves algún mensaje de error?",),
            details=("Dice que la cuenta está bloqueada", "No, nada"),
            solutions=("He desbloqueado tu cuenta. Prueba con una contraseña nueva.",),
        ),
        "damaged_item": Lines(
            openings=("El producto llegó roto 😡",),
            questions=("Lo siento mucho. ¿Qué pedido es?",),
            details=("{order}",),
            solutions=("Te enviamos uno nuevo a {city}, sin coste.",),
        ),
    },
)

GERMAN = Language(
    code="de",
    share=0.06,
    phrases=Phrases(
        fallbacks=("Entschuldigung, das habe ich nicht verstanden. Geht es auch anders?",),
        wants_human=("Ich möchte mit einem Menschen sprechen.", "Mitarbeiter bitte"),
        hands_over=("Ich übergebe an eine Kollegin. Einen Augenblick, bitte.",),
        nobody_free=("Gerade ist leider niemand frei. Wir melden uns bei Ihnen.",),
        agent_hellos=("Guten Tag {name}, ich übernehme ab hier.",),
        agent_checks=("Ich frage kurz im Lager in {city} nach.", "Das war am {day}, richtig?"),
        answers=("Ja, genau", "ok", "Ja, Bestellung {order}"),
        thanks=("Vielen Dank!", "super, danke", "Prima, das hat geholfen 👍"),
        goodbyes=("Gern geschehen. Einen schönen Tag noch!",),
        not_solved=("Hallo noch mal, es ist leider immer noch nicht gelöst.",),
    ),
    lines={
        "delivery_status": Lines(
            openings=("Wo bleibt meine Bestellung {order}?", "Paket nach {city} ist überfällig"),
            questions=("Ich sehe nach. Wie lautet die Bestellnummer?",),
            details=("{order}", "Die {order}"),
            solutions=("Die Bestellung {order} kommt am {day} in {city} an.",),
        ),
        "invoice": Lines(
            openings=("Ich brauche eine Rechnung für {order}", "Rechnung mit USt. bitte"),
            questions=("Gern. Für welche Bestellung?",),
            details=("{order}",),
            solutions=("Die Rechnung über {amount} ist in Ihrem Postfach.",),
        ),
        "address_change": Lines(
            openings=("Ich bin umgezogen, wie ändere ich meine Straße?",),
            questions=("Wie lautet die neue Anschrift?",),
            details=("{street}, {city}",),
            solutions=("Erledigt: {order} geht an {street}, {city}.",),
        ),
        "payment_failed": Lines(
            openings=("Meine Karte wurde abgelehnt, das Geld ist trotzdem weg",),
            questions=("Um welche Bestellung geht es?",),
            details=("{order}, {amount}",),
            solutions=("Der Betrag von {amount} war nur vorgemerkt und wird am {day} frei.",),
        ),
    },
)

JAPANESE = Language(
    code="ja",
    share=0.03,
    phrases=Phrases(
        fallbacks=("申し訳ありません、よく分かりませんでした。別の言い方でお願いできますか。",),
        wants_human=("担当者と話したいです", "人に代わってください"),
        hands_over=("担当者におつなぎします。少々お待ちください。",),
        nobody_free=("ただいま担当者が全員対応中です。後ほどご連絡いたします。",),
        agent_hellos=("お待たせしました。担当の者です。",),
        agent_checks=("{city}の倉庫に確認しております。",),
        answers=("はい、そうです", "お願いします"),
        thanks=("ありがとうございます！", "助かりました🙏"),
        goodbyes=("またいつでもご連絡ください。",),
        not_solved=("まだ解決していません。",),
    ),
    lines={
        "delivery_status": Lines(
            openings=("注文{order}はいつ届きますか？", "荷物がまだ届きません"),
            questions=("お調べします。注文番号を教えてください。",),
            details=("{order}です",),
            solutions=("ご注文{order}は{day}に{city}へ到着予定です。",),
        ),
        "login": Lines(
            openings=("ログインできません",),
            questions=("エラーメッセージは表示されますか？",),
            details=("アカウントがロックされていると出ます",),
            solutions=("ロックを解除しました。もう一度お試しください。",),
        ),
    },
)

ARABIC = Language(
    code="ar",
    share=0.03,
    phrases=Phrases(
        fallbacks=("عذرًا، لم أفهم. هل يمكنك قول ذلك بطريقة أخرى؟",),
        wants_human=("أريد التحدث مع موظف من فضلك",),
        hands_over=("سأحوّلك إلى أحد الزملاء. لحظة من فضلك.",),
        nobody_free=("لا يوجد موظف متاح الآن. سنكتب لك قريبًا.",),
        agent_hellos=("مرحبًا، قرأت ما كتبته وسأساعدك الآن.",),
        agent_checks=("أتحقق من ذلك مع المستودع.",),
        answers=("نعم، صحيح", "حسنًا"),
        thanks=("شكرًا جزيلًا 🙏", "تمام، شكرًا"),
        goodbyes=("على الرحب والسعة. يومًا سعيدًا!",),
        not_solved=("مرحبًا مرة أخرى، المشكلة لم تُحل بعد.",),
    ),
    lines={
        "delivery_status": Lines(
            openings=("أين طلبي رقم {order}؟", "لم تصل الشحنة حتى الآن"),
            questions=("سأتحقق من ذلك. ما هو رقم الطلب؟",),
            details=("{order}",),
            solutions=("سيصل الطلب {order} يوم {day}.",),
        ),
        "refund": Lines(
            openings=("متى أستعيد مبلغ {amount}؟",),
            questions=("عن أي طلب تسأل؟",),
            details=("{order}",),
            solutions=("تمت إعادة {amount} إلى حسابك.",),
        ),
    },
)

LANGUAGES = (ENGLISH, SPANISH, GERMAN, JAPANESE, ARABIC)
